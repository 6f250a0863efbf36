// Run one job: choose the kernels, lay the memory out, let the team walk.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels.hpp"
#include "memory.hpp"

namespace carousel {

// Open the library of a user's cell, compiled for the instruction set in use; throws std::runtime_error.
void load_cell(const std::string& path);

// The elementwise kernels of the cell with this key, built in or loaded, or null if there are none.
template <class T>
const CellKernels<T>* find_cell(const Kernels& kernels, const std::string& key);

// The packed weights of one layer in one direction, once for each packing that was asked for. Their owner promises that the
// weights stay as they are. Walks at the same time may read the same.
class Kept {
 public:
  struct Kind {
    const void* walk;  // of which instruction set, in which numbers
    Packing packing;
    bool operator==(const Kind&) const = default;
  };
  std::shared_ptr<Memory> find(const Kind& kind);  // null if it was not packed yet
  void keep(const Kind& kind, std::shared_ptr<Memory> weights);

 private:
  std::mutex lock_;
  std::vector<std::pair<Kind, std::shared_ptr<Memory>>> packed_;
};

template <class T>
void run_forward(Job<T> job, int wanted_threads, Products products = Products::exact, Kept* kept = nullptr);

template <class T>
void run_backward(Job<T> job, int wanted_threads, Products products = Products::exact);

}  // namespace carousel
