// Run one fused linear layer and cross-entropy: choose the kernel, lay the memory out, let the team work.
#pragma once

#include "cross_entropy_job.hpp"
#include "kernels.hpp"

namespace carousel {

template <class T>
void run_cross_entropy(CrossEntropyJob<T> job, int wanted_threads, Products products);

// What one call with gradients needs beside its arrays.
std::size_t cross_entropy_bytes(Index rows, Index hidden, Index symbols, int threads);

}  // namespace carousel
