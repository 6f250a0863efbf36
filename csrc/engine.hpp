// Run one job: choose the kernels, lay the memory out, let the team walk.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "kernels.hpp"
#include "memory.hpp"

namespace carousel {

// Open the library of a user's cell, compiled for the instruction set in use; throws std::runtime_error.
void load_cell(const std::string& path);

// The elementwise kernels of the cell with this key, built in or loaded, or null if there are none.
template <class T>
const CellKernels<T>* find_cell(const Kernels& kernels, const std::string& key);

// What the last walk of one layer has left: its weights are packed there, for the next walk with the same numbers. Its
// owner promises that they stay as they are. One walk at a time has it; another that comes meanwhile packs for itself.
class Kept {
 public:
  struct Shape {
    const void* walk;  // of which instruction set, in which numbers
    Index time, batch;
    int threads;
    std::size_t bytes;
    bool operator==(const Shape&) const = default;
  };
  std::optional<Memory> take(const Shape& shape);
  void give(Memory memory, const Shape& shape);

 private:
  std::mutex lock_;
  std::optional<Memory> memory_;
  Shape shape_{};
};

template <class T>
void run_forward(Job<T> job, int wanted_threads, Products products = Products::exact, Kept* kept = nullptr);

template <class T>
void run_backward(Job<T> job, int wanted_threads, Products products = Products::exact);

}  // namespace carousel
