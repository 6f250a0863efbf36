// One call of the fused linear layer and cross-entropy: plain numbers and pointers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "job.hpp"

namespace carousel {

// loss = log(sum_v exp(logit_v)) - logit_target for each counted row of x, logits = x weight^T + bias.
// T: the dtype of every array; H hidden, V symbols. Rows of x and of weight are contiguous.
template <class T>
struct CrossEntropyJob {
  Index rows, hidden, symbols;     // how many rows count; H; V
  const std::int64_t* counted;     // (rows) which of x, or null: the first `rows`
  const std::int64_t* targets;     // by row of x, each from 0 to V - 1 where the row counts
  const T *x, *weight, *bias;      // bias (V) or null
  Index x_row, weight_row;         // elements from one row to the next
  T *losses, *log_sums;            // by row of x
  bool summed;                     // the log_sums are known, and only gradients are wanted
  const T* scale;                  // by row of x: the gradient of the total by the row's loss; null: no gradients
  T *x_gradient, *weight_gradient, *bias_gradient;  // contiguous; bias_gradient may be null
  int threads;
};

}  // namespace carousel
