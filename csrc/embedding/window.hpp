// The arithmetic of one window: m input rows against n output rows, in blocks that stay in registers.
//
//   s_ik = x_i . y_k        p_ik = sigmoid(s_ik)        e_ik = lr c_i w_k (label_k - p_ik)
//   x_i += sum_k e_ik y_k   y_k += sum_i e_ik x_i       with the old x and y on the right
//
// c and w are multiplicities: equal rows come once, so that no update of a window overwrites another. All context words
// of a window against one word and its shared noise words: Ji, Satish, Li, Dubey 2016 (pWord2Vec).
#pragma once

#include "../kernel/activations.hpp"
#include "racing.hpp"
#include "sums.hpp"

namespace carousel::ISA {
namespace {

constexpr int block_outputs = 6;                                  // a word and five noise words
constexpr int tile_inputs = CAROUSEL_REGISTERS >= 32 ? 4 : 2;      // sums of a tile: block_outputs * tile_inputs

constexpr Index padded(Index count) { return count + lanes<float>; }  // room for whole vectors at the end

template <int M, int N>
void scores_of_tile(const float* const* in, const float* const* out, Index stride, float* to) {
  Vector<float> sum[M * N];
#pragma GCC unroll 24
  for (int k = 0; k < M * N; ++k) sum[k] = Vector<float>{};
  for (Index at = 0; at < stride; at += lanes<float>) {
    Vector<float> y[N];
#pragma GCC unroll 6
    for (int n = 0; n < N; ++n) y[n] = fetch(out[n] + at);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      const Vector<float> x = fetch(in[m] + at);
#pragma GCC unroll 6
      for (int n = 0; n < N; ++n) sum[m * N + n] += x * y[n];
    }
  }
  store_sums<M * N>(sum, to);
}

// s of m inputs and N outputs, row by row
template <int N>
void scores_of_block(const float* const* in, Index m, const float* const* out, Index stride, float* to) {
  Index i = 0;
  for (; i + tile_inputs <= m; i += tile_inputs) scores_of_tile<tile_inputs, N>(in + i, out, stride, to + i * N);
  const Index left = m - i;
  if (left == 1) scores_of_tile<1, N>(in + i, out, stride, to + i * N);
  if constexpr (tile_inputs > 2) {
    if (left == 2) scores_of_tile<2, N>(in + i, out, stride, to + i * N);
    if (left == 3) scores_of_tile<3, N>(in + i, out, stride, to + i * N);
  }
}

// The update of one vector of columns. `from` + sum_k e y goes to `to`: from is x itself, or what earlier blocks left.
template <int N>
inline void update_column(Index at, const float* const* in, const float* const* from, float* const* to, Index m,
                          float* const* out, const float* e) {
  Vector<float> y[N], fresh[N];
#pragma GCC unroll 6
  for (int n = 0; n < N; ++n) y[n] = fresh[n] = fetch(out[n] + at);
  for (Index i = 0; i < m; ++i) {
    const Vector<float> x = fetch(in[i] + at);
    Vector<float> sum = fetch(from[i] + at);
#pragma GCC unroll 6
    for (int n = 0; n < N; ++n) {
      const Vector<float> factor = splat(e[i * N + n]);
      sum += factor * y[n];
      fresh[n] += factor * x;
    }
    put(to[i] + at, sum);
  }
#pragma GCC unroll 6
  for (int n = 0; n < N; ++n) put(out[n] + at, fresh[n]);
}

template <int N>
void update_block(const float* const* in, const float* const* from, float* const* to, Index m, float* const* out,
                  Index stride, const float* e) {
  for (Index at = 0; at < stride; at += lanes<float>) update_column<N>(at, in, from, to, m, out, e);
}

using Scores = void (*)(const float* const*, Index, const float* const*, Index, float*);
using Update = void (*)(const float* const*, const float* const*, float* const*, Index, float* const*, Index,
                        const float*);
constexpr Scores scores_of[] = {nullptr, scores_of_block<1>, scores_of_block<2>, scores_of_block<3>,
                                scores_of_block<4>, scores_of_block<5>, scores_of_block<6>};
constexpr Update update_of[] = {nullptr, update_block<1>, update_block<2>, update_block<3>,
                                update_block<4>, update_block<5>, update_block<6>};

// Rows of one window, through pointers.
struct Operands {
  const float* const* in;    // (m) x
  const float* const* from;  // (m) where the sums begin: x itself, or zeros
  float* const* to;          // (m) where they go: x itself, or a place for the sum alone
  const float* in_weight;    // (m) c
  Index m;
  float* const* out;         // (n) y
  const float* out_weight;   // (n) w
  const unsigned char* label;  // (n)
  Index n;
  Index stride;
  bool weighted;  // not all weights are 1
};

// s, for each block of outputs row by row
inline void scores(const Operands& r, float* s) {
  for (Index k = 0; k < r.n; k += block_outputs) {
    const Index width = r.n - k < block_outputs ? r.n - k : block_outputs;
    scores_of[width](r.in, r.m, r.out + k, r.stride, s + k * r.m);
  }
}

// e in the place of s
inline void errors(const Operands& r, float lr, float* e) {
  for (Index at = 0; at < r.m * r.n; at += lanes<float>) store(e + at, splat(-lr) * sigmoid<float>(load(e + at)));
  for (Index k = 0; k < r.n; ++k) {
    const Index begin = k - k % block_outputs;
    const Index width = r.n - begin < block_outputs ? r.n - begin : block_outputs;
    float* column = e + begin * r.m + (k - begin);
    if (r.label[k])
      for (Index i = 0; i < r.m; ++i) column[i * width] += lr;
    if (r.weighted)
      for (Index i = 0; i < r.m; ++i) column[i * width] *= r.in_weight[i] * r.out_weight[k];
  }
}

// e has room for padded(m n) numbers; partial: m rows for sums that are not complete.
inline void train_window(const Operands& r, float lr, float* e, float* const* partial) {
  scores(r, e);
  errors(r, lr, e);
  for (Index k = 0; k < r.n; k += block_outputs) {
    const bool first = k == 0, last = r.n - k <= block_outputs;
    update_of[last ? r.n - k : block_outputs](r.in, first ? r.from : partial, last ? r.to : partial, r.m, r.out + k,
                                              r.stride, e + k * r.m);
  }
}

}  // namespace
}  // namespace carousel::ISA
