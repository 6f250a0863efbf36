// The table through which everything else reaches the code of one instruction set.
#pragma once

#include "job.hpp"

namespace carousel {

// One walk over a sequence. `prepare` lays the walk out in memory and returns the bytes it needs; given null it only
// counts. All threads of the job then call `pack` and, when all are done with that, `walk`, each with its own id:
// `work` is the two with a barrier between them. Weights once packed serve any number of walks: those in memory of their
// own (`Job::packed`) also walks over other sequences, if their packing is the same.
struct Packing {
  std::size_t bytes;
  Index parts;  // of the units
  bool operator==(const Packing&) const = default;
};
template <class T>
struct Walk {
  std::size_t (*prepare)(const Job<T>&, char* memory);
  void (*pack)(char* memory, int id);
  void (*walk)(char* memory, int id);
  void (*work)(char* memory, int id);
  Packing (*packing)(const Job<T>&);  // of a forward walk
};

// Register-resident multiply-adds, to know the limit of the machine: `run` does so many rounds.
template <class T>
struct MultiplyAdd {
  T (*run)(Index rounds);
  double flops_per_round;
};

// The fused linear layer and cross-entropy: `prepare` as for a walk, then all threads of the job `work`.
template <class T>
struct CrossEntropyJob;  // cross_entropy_job.hpp
template <class T>
struct CrossEntropyKernel {
  std::size_t (*prepare)(const CrossEntropyJob<T>&, char* memory);
  void (*work)(char* memory, int id);
};

template <class T>
struct Precision {
  Walk<T> forward, backward;
  MultiplyAdd<T> multiply_add;
  CrossEntropyKernel<T> cross_entropy;
  const CellKernels<T>* cells;
  std::size_t cell_count;
};

struct Kernels {
  const char* name;
  const char* flags;  // what the compiler was told, for cells that users write
  Precision<float> f32;
  Precision<double> f64;
  Precision<float> bf16;  // products in bfloat16; states, sums and everything unit by unit in float32
};

// In which numbers a walk multiplies; it adds and keeps its states in T.
enum class Products { exact, bfloat16 };

// What the library of a user's cell hands over: the same kernels that the built-in cells have.
struct CellLibrary {
  const CellKernels<float>* f32;
  const CellKernels<double>* f64;
};

template <class T>
const Precision<T>& precision(const Kernels& kernels, Products products = Products::exact);
template <>
inline const Precision<float>& precision(const Kernels& kernels, Products products) {
  return products == Products::bfloat16 ? kernels.bf16 : kernels.f32;
}
template <>
inline const Precision<double>& precision(const Kernels& kernels, Products) {
  return kernels.f64;
}

}  // namespace carousel
