// Run one job: choose the kernels, lay the memory out, let the team walk.
#pragma once

#include <string>

#include "kernels.hpp"

namespace carousel {

// The elementwise kernels of the cell with this key, or null if it was not built.
template <class T>
const CellKernels<T>* find_cell(const Kernels& kernels, const std::string& key);

template <class T>
void run_forward(Job<T> job, int wanted_threads);

template <class T>
void run_backward(Job<T> job, int wanted_threads);

}  // namespace carousel
