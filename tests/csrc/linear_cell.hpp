// The cell of cells.hpp, h_t = W x_t + U h_{t-1} + b_ih + b_hh, as a problem: the arrays of one call, filled with
// numbers, and its outputs and gradients by plain loops.
#pragma once

#include <vector>

#include "job.hpp"
#include "kernels.hpp"

namespace carousel::tests {

template <class T>
struct LinearCell {
  Index time, batch, inputs, hidden;
  bool reverse, keeps_tape;
  std::vector<Index> rows;  // sequences still running at each step: they end early in a ragged batch
  std::vector<unsigned char> resets;  // for each row: does the state become zero before it? Empty: nowhere
  std::vector<T> x, h0, weight_ih, weight_hh, bias_ih, bias_hh;
  std::vector<T> output_gradient, final_gradient;

  LinearCell(Index T_, Index B, Index I, Index H, bool is_reverse, bool is_ragged, bool tape);
  Index packed_rows() const;
  void reset_some();  // every third row
};

// What a walk gives: of the forward pass output and final state, of the backward pass the gradients.
template <class T>
struct LinearResult {
  std::vector<T> output, final, x, h0, weight_ih, weight_hh, bias;
};

template <class T>
LinearResult<T> by_hand(const LinearCell<T>& cell);

// The same through the time loop and the kernels in use, on at most so many threads; without a tape, by the second of two
// walks, for which the first has packed the weights.
template <class T>
LinearResult<T> by_kernels(const LinearCell<T>& cell, int threads, Products products = Products::exact);

// The outputs and the final state of a batch that is not ragged, forwards, one step at a time.
template <class T>
LinearResult<T> by_steps(const LinearCell<T>& cell, int threads);

}  // namespace carousel::tests
