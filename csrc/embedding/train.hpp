// What a thread does with windows: train on them, sum their loss, or tell them to a listener.
#pragma once

#include "../kernel/denormals.hpp"
#include "kernels.hpp"
#include "sampling.hpp"
#include "window.hpp"

namespace carousel::ISA {
namespace {

using embedding::Listener;
using embedding::Loss;

// Pointers and numbers for one window at a time.
struct Workspace {
  const float** in;
  float **to, **out, **partial;
  float* e;
  float *zeros, *sum, *middle;  // rows of cbow: what a sum begins from, the gradient of the middle, the middle
  Workspace(Arena& arena, const Sizes& sizes, Index stride) {
    in = arena.take<const float*>(sizes.inputs);
    to = arena.take<float*>(sizes.inputs);
    out = arena.take<float*>(sizes.outputs);
    partial = arena.take<float*>(sizes.inputs);
    e = arena.take<float>(padded(sizes.inputs * sizes.outputs));
    zeros = arena.take<float>(stride);
    sum = arena.take<float>(stride);
    middle = arena.take<float>(stride);
    float* rows = arena.take<float>(sizes.inputs * stride);
    if (arena.counting()) return;
    for (Index i = 0; i < sizes.inputs; ++i) partial[i] = rows + i * stride;
    for (Index at = 0; at < stride; ++at) zeros[at] = 0;
  }
};

inline float* input_row(const Job& job, std::int32_t word) { return job.input + word * job.stride; }
inline float* output_row(const Job& job, std::int32_t word) { return job.output + word * job.stride; }

inline Operands operands(const Job& job, const Window& w, Workspace& space) {
  for (Index k = 0; k < w.n; ++k) space.out[k] = output_row(job, w.out[k]);
  for (Index i = 0; i < w.m; ++i) space.in[i] = space.to[i] = input_row(job, w.in[i]);
  return {space.in, space.in, space.to, w.in_weight, w.m, space.out, w.out_weight, w.label, w.n, job.stride, w.weighted};
}

// cbow: one input, the mean or sum of the rows around
inline Operands middle_operands(const Job& job, const Window& w, Workspace& space) {
  Operands r = operands(job, w, space);
  float count = 0;
  for (Index i = 0; i < w.m; ++i) count += w.in_weight[i];
  const float scale = job.mean ? 1 / count : 1.f;
  for (Index at = 0; at < job.stride; at += lanes<float>) {
    Vector<float> sum{};
    for (Index i = 0; i < w.m; ++i) sum += splat(w.in_weight[i]) * fetch(space.in[i] + at);
    put(space.middle + at, sum * scale);
  }
  return r;
}

inline void train_skipgram(const Job& job, const Window& w, Workspace& space) {
  train_window(operands(job, w, space), w.lr, space.e, space.partial);
}

inline void train_cbow(const Job& job, const Window& w, Workspace& space) {
  static constexpr float one[] = {1};
  const Operands r = middle_operands(job, w, space);
  const float* middle[] = {space.middle};
  const float* zeros[] = {space.zeros};
  float* sum[] = {space.sum};
  train_window({middle, zeros, sum, one, 1, r.out, r.out_weight, r.label, r.n, r.stride, r.weighted}, w.lr, space.e,
               space.partial);
  for (Index at = 0; at < job.stride; at += lanes<float>) {
    const Vector<float> step = fetch(space.sum + at);
    for (Index i = 0; i < w.m; ++i) put(space.to[i] + at, fetch(space.to[i] + at) + splat(w.in_weight[i]) * step);
  }
}

// Trains one window late: the rows of the next are on their way meanwhile.
struct Trainer {
  const Job& job;
  Workspace& space;
  Window waiting;
  bool any = false;

  void finish() {
    if (!any) return;
    if (job.cbow)
      train_cbow(job, waiting, space);
    else
      train_skipgram(job, waiting, space);
    any = false;
  }
  void operator()(Window& w) {
    for (Index k = 0; k < w.n; ++k) prefetch_row(output_row(job, w.out[k]), job.stride);
    prefetch_row(input_row(job, w.in[w.m - 1]), job.stride);
    finish();
    const Window free = waiting;
    waiting = w;
    w = free;
    any = true;
  }
};

// -log p of every prediction, in double. Factors 1 + exp(-s) are multiplied before one logarithm is taken.
struct LossSum {
  const Job& job;
  Workspace& space;
  Loss loss{0, 0};

  void operator()(const Window& w) {
    static constexpr float one[] = {1};
    Operands r = job.cbow ? middle_operands(job, w, space) : operands(job, w, space);
    const float* middle[] = {space.middle};
    if (job.cbow) r.in = middle, r.in_weight = one, r.m = 1;
    scores(r, space.e);
    for (Index k = 0; k < r.n; ++k) {
      const Index begin = k - k % block_outputs, width = r.n - begin < block_outputs ? r.n - begin : block_outputs;
      for (Index i = 0; i < r.m; ++i) add(r, i, k, space.e[begin * r.m + i * width + (k - begin)]);
    }
    for (Index i = 0; i < r.m; ++i) loss.count += static_cast<double>(r.in_weight[i]);
  }
  void add(const Operands& r, Index i, Index k, float score) {
    const double x = r.label[k] ? -score : score;
    const double softplus = x > 0 ? x + __builtin_log1p(__builtin_exp(-x)) : __builtin_log1p(__builtin_exp(x));
    loss.sum += softplus * static_cast<double>(r.in_weight[i] * r.out_weight[k]);
  }
};

struct Telling {
  const Listener& listener;
  void operator()(const Window& w) {
    listener.window(listener.to, w.token, w.middle, w.in, w.in_weight, w.m, w.out, w.out_weight, w.n);
  }
};

// Everything that a thread needs, taken from its scratch.
struct Thread {
  Arena arena;
  Sizes sizes;
  Kept kept;
  Window window, waiting;
  Workspace space;
  Thread(const Job& job, char* scratch)
      : arena{scratch, 0}, sizes(job), kept(kept_in(arena)), window(window_in(arena, sizes)),
        waiting(window_in(arena, sizes)), space(arena, sizes, job.stride) {}
};

std::size_t scratch_of(const Job& job) { return Thread(job, nullptr).arena.used; }

void train_block(const Job& job, Index block, char* scratch) {
  const FlushDenormals flush;
  Thread thread(job, scratch);
  Trainer trainer{job, thread.space, thread.waiting};
  visit_block(job, block, thread.kept, thread.window, trainer);
  trainer.finish();
}

void tell_block(const Job& job, Index block, char* scratch, const Listener& listener) {
  Thread thread(job, scratch);
  Telling telling{listener};
  visit_block(job, block, thread.kept, thread.window, telling);
}

Loss loss_of(const Job& job, const std::int64_t* sentences, Index count, char* scratch) {
  Thread thread(job, scratch);
  LossSum sum{job, thread.space};
  const std::int64_t end = job.blocks[job.block_count];
  for (Index k = 0; k < count; ++k) {
    Random random(job.held_out_seed ^ static_cast<std::uint64_t>(sentences[k]));  // the same windows every time
    read_sentence(job, sentences[k], end, random, thread.kept);
    visit_windows(job, thread.kept, 0, random, thread.window, sum);
  }
  return sum.loss;
}

}  // namespace
}  // namespace carousel::ISA
