// Run one job: choose the kernels, lay the memory out, let the team walk.
#pragma once

#include <string>

#include "kernels.hpp"

namespace carousel {

// Open the library of a user's cell, compiled for the instruction set in use; throws std::runtime_error.
void load_cell(const std::string& path);

// The elementwise kernels of the cell with this key, built in or loaded, or null if there are none.
template <class T>
const CellKernels<T>* find_cell(const Kernels& kernels, const std::string& key);

template <class T>
void run_forward(Job<T> job, int wanted_threads, Products products = Products::exact);

template <class T>
void run_backward(Job<T> job, int wanted_threads, Products products = Products::exact);

}  // namespace carousel
