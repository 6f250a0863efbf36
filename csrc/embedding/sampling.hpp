// From the text to windows: subsampling, the window's size, noise words. Training, loss and tests walk the same way.
#pragma once

#include "../kernel/arena.hpp"
#include "job.hpp"

namespace carousel::ISA {
namespace {

using embedding::Job;

struct Random {
  std::uint64_t state;
  explicit Random(std::uint64_t seed) : state(embedding::mixed(seed)) {}
  std::uint64_t next() { return embedding::mixed(state += 0x9e3779b97f4a7c15u); }
  // evenly from 0 to count - 1, for counts far below 2^32
  std::uint32_t below(std::uint32_t count) { return static_cast<std::uint32_t>(((next() >> 32) * count) >> 32); }
};

// One set of inputs against one set of outputs. Inputs and outputs are distinct; weights count how often each came.
struct Window {
  std::int64_t token;  // where in the text the middle word stands
  std::int32_t middle;
  float lr;
  Index m, n;
  std::int32_t *in, *out;
  float *in_weight, *out_weight;
  unsigned char* label;
  bool weighted;
};

// Room for the widest window there can be.
struct Sizes {
  Index inputs, outputs;
  explicit Sizes(const Job& job) {
    inputs = 2 * job.window;
    outputs = job.path_begin ? job.longest_path : job.negatives + 1;
    if (inputs > embedding::longest_sentence) inputs = embedding::longest_sentence;
  }
};

inline Window window_in(Arena& arena, const Sizes& sizes) {
  Window w{};
  w.in = arena.take<std::int32_t>(sizes.inputs);
  w.in_weight = arena.take<float>(sizes.inputs);
  w.out = arena.take<std::int32_t>(sizes.outputs);
  w.out_weight = arena.take<float>(sizes.outputs);
  w.label = arena.take<unsigned char>(sizes.outputs);
  return w;
}

// The words of one sentence that subsampling left, and where in the text they stand.
struct Kept {
  std::int32_t* word;
  std::int64_t* token;
  Index count;
};

inline Kept kept_in(Arena& arena) {
  return {arena.take<std::int32_t>(embedding::longest_sentence), arena.take<std::int64_t>(embedding::longest_sentence), 0};
}

// The sentence that begins at `begin`, subsampled; returns the token after it.
inline std::int64_t read_sentence(const Job& job, std::int64_t begin, std::int64_t end, Random& random, Kept& kept) {
  const std::int64_t limit = end - begin < embedding::longest_sentence ? end : begin + embedding::longest_sentence;
  kept.count = 0;
  std::int64_t at = begin;
  for (; at < limit && job.ids[at] != embedding::sentence_end; ++at) {
    const std::int32_t word = job.ids[at];
    const std::uint32_t keep = job.keep[word];
    if (keep != 0xffffffffu && static_cast<std::uint32_t>(random.next() >> 32) >= keep) continue;
    kept.word[kept.count] = word;
    kept.token[kept.count++] = at;
  }
  return at < end && job.ids[at] == embedding::sentence_end ? at + 1 : at;
}

// Adds a word to a list of distinct ones; whether it was there already.
inline bool add(std::int32_t word, std::int32_t* list, float* weight, Index& count) {
  for (Index k = 0; k < count; ++k)
    if (list[k] == word) {
      weight[k] += 1;
      return true;
    }
  list[count] = word;
  weight[count++] = 1;
  return false;
}

inline void draw_noise(const Job& job, Random& random, Window& w) {
  w.n = 1;
  w.out[0] = w.middle;
  w.out_weight[0] = 1;
  w.label[0] = 1;
  for (std::int64_t k = 0; k < job.negatives; ++k) {
    const std::uint64_t drawn = random.next();
    const auto cell = static_cast<std::int32_t>(((drawn >> 32) * static_cast<std::uint64_t>(job.words)) >> 32);
    const bool own = static_cast<std::uint32_t>(drawn) < job.noise[cell].threshold;
    const std::int32_t word = own ? cell : job.noise[cell].other;
    if (word == w.middle) continue;  // as word2vec does
    w.label[w.n] = 0;
    w.weighted |= add(word, w.out, w.out_weight, w.n);
  }
}

inline void take_path(const Job& job, Window& w) {
  w.n = 0;
  for (std::int64_t at = job.path_begin[w.middle]; at < job.path_begin[w.middle + 1]; ++at, ++w.n) {
    w.out[w.n] = job.path[at] >> 1;
    w.label[w.n] = job.path[at] & 1;
    w.out_weight[w.n] = 1;
  }
}

inline void take_outputs(const Job& job, Random& random, Window& w) {
  if (job.path_begin)
    take_path(job, w);
  else
    draw_noise(job, random, w);
}

// Calls visit(window) for each set of words around a middle word; the visitor may exchange the window for another.
template <class Visit>
inline void visit_windows(const Job& job, const Kept& kept, float lr, Random& random, Window& w, Visit& visit) {
  for (Index i = 0; i < kept.count; ++i) {
    const Index reach = 1 + random.below(static_cast<std::uint32_t>(job.window));
    const Index first = i > reach ? i - reach : 0, last = kept.count - 1 < i + reach ? kept.count - 1 : i + reach;
    if (first == last) continue;  // nobody around
    w.token = kept.token[i];
    w.middle = kept.word[i];
    w.lr = lr;
    w.weighted = false;
    w.m = 0;
    if (job.cbow || job.shared) {
      for (Index j = first; j <= last; ++j)
        if (j != i) w.weighted |= add(kept.word[j], w.in, w.in_weight, w.m);
      take_outputs(job, random, w);
      visit(w);
      continue;
    }
    for (Index j = first; j <= last; ++j) {
      if (j == i) continue;
      w.token = kept.token[i];
      w.middle = kept.word[i];
      w.lr = lr;
      w.weighted = false;
      w.m = 1;
      w.in[0] = kept.word[j];
      w.in_weight[0] = 1;
      take_outputs(job, random, w);
      visit(w);
    }
  }
}

// Every window of the block's sentences, but for those that are held out.
template <class Visit>
inline void visit_block(const Job& job, Index block, Kept& kept, Window& w, Visit& visit) {
  Random random(job.seed + static_cast<std::uint64_t>(block) * 0x632be59bd9b4e019u);
  const std::int64_t end = job.blocks[block + 1];
  for (std::int64_t begin = job.blocks[block]; begin < end;) {
    const bool held_out = embedding::is_held_out(job, begin);
    const auto lr = static_cast<float>(embedding::lr_at(job, begin));
    begin = read_sentence(job, begin, end, random, kept);
    if (!held_out) visit_windows(job, kept, lr, random, w, visit);
  }
}

}  // namespace
}  // namespace carousel::ISA
