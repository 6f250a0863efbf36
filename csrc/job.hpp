// What one call of the time loop is asked to do: a cell's program and the arrays it works on. Plain data.
//
// Alphabet: T time, B batch, I input size, H hidden size. A "row" is one step of one sequence. Rows of step t are
// b = 0 .. count[t) - 1; sequences are sorted by falling length, so that a ragged batch is a shrinking count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace carousel {

using Index = std::ptrdiff_t;

// The arrays a phase can name, in the order of src/carousel/emit/program.py.
enum Kind { input = -1, tape, previous, fresh, learned, cotangent, output_gradient, work, previous_gradient, learned_gradient };

constexpr int most_operands = 256;  // arrays that one phase may name

struct Block {
  int slot;       // which block of H pre-activations (forward) or deltas (backward) within a row
  int parameter;  // which packed parameter holds the matrix
  int row;        // which block of H rows of that parameter
  bool begins;    // forward: no product has written this block before, so it starts from the bias
};

struct Product {
  int kind;   // the vector that is multiplied (forward) or whose gradient is summed (backward)
  int index;
  bool accumulates;  // backward: adds to what the elementwise part left there
  std::vector<Block> blocks;
};

// H learned numbers that are added or multiplied unit by unit: of a bias, a diagonal, a vector.
struct Row {
  int parameter;
  int row;
};

struct Phase {
  std::vector<Product> products;
};

// A cell as the time loop sees it: built once in Python from the cell's graph (emit/phases.py).
struct Program {
  int states = 0, slots = 0, blocks = 0, work = 0;
  int sums = 0, work_sums = 0;  // numbers behind the vectors of a row: sums over units
  std::vector<Product> input;  // empty or one
  std::vector<Phase> forward, backward;
  std::vector<Product> closing;
  std::vector<std::vector<Row>> biases;  // for each block
  std::vector<Row> learned;              // diagonals and vectors

  int operands() const {
    return slots + 3 * states + 2 * static_cast<int>(learned.size()) + 2 + work + (sums ? 2 : 0) + (work_sums ? 2 : 0);
  }
};

// T values in rows: row r begins at data + r * stride.
template <class T>
struct Rows {
  T* data;
  Index stride;
};

// One unit-by-unit phase of one cell, over `rows` rows of `width` units of `hidden`.
template <class T>
using Elementwise = void(const Rows<T>* operands, Index rows, Index width, Index hidden);

template <class T>
struct CellKernels {
  const char* key;  // the hash of the cell's equations
  Elementwise<T>* const* forward;
  Elementwise<T>* const* backward;
};

// Where rows of step t begin, in rows, and how many there are.
struct Steps {
  Index count;                // T
  const Index* rows;          // (T) how many sequences are still running
  const Index* first;         // (T) number of rows before step t in packed order
  const Index* input_offset;  // (T) elements from the start of x to its first row of step t
  Index input_stride;         // elements between neighbouring sequences of x
};

template <class T>
struct Job {
  const Program* program;
  const CellKernels<T>* cell;
  Index batch, inputs, hidden;
  bool reverse;
  int threads;
  Steps steps;
  const T* x;
  const T* const* parameters;  // packed, null where the layer has no bias
  const T* const* initial;     // one (B, H) per state, null for zero
  const unsigned char* resets;  // (rows): nonzero where a sequence begins anew, from a state of zero; null for nowhere
  T* output;                   // (rows, H)
  T* const* final;             // one (B, H) per state
  T* tape;                     // (rows, slots, H); null when nothing is kept for a backward pass
  char* packed;                // forward: where its weights are packed; null: in the memory of the walk
  // backward only; gradients of what is above
  const T* output_gradient;        // null for zero
  const T* const* final_gradient;  // null for zero
  T* x_gradient;                   // (rows, I) packed order; null if not wanted
  T* const* initial_gradient;      // one (B, H) per state
  T* const* parameter_gradients;   // as parameters
  T* state_gradients;              // (states, rows, H): of each state after each step, what the next step sends back to it,
                                   // at the end of a sequence the final gradient; null if nobody wants to see them
};

}  // namespace carousel
