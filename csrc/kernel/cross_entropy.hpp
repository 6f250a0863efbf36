// A linear layer and cross-entropy in one: the logits of a block of rows at a time, so that those of a whole batch
// never exist.
//
// Each thread has its own share of the vocabulary, and with it of the weight and its gradient. For a block of rows it
// goes over its words twice, a chunk that stays in the second cache at a time:
//   forward:  logits, transposed (word by row), so that weights are read as they lie and all reductions run down the
//             vectors; their exponentials by a reference, their sum, and their product with the weight, which is the
//             gradient by x but for factors of rows (the softmax of a stream: Milakov & Gimelshein 2018);
//   backward: with the sums of all threads, the product of the exponentials with x, each row of which was multiplied by
//             what makes probabilities of them; then the target's own part.
// Exponentials are kept between the two, for one block of rows alone. A row's reference is its largest logit in the first
// chunk, and moves only when a later one is far above it; so x is multiplied and packed once for each block.
//
// Whatever the second cache does not hold is asked for one chunk ahead, a few lines with each tile.
#pragma once

#include "../cross_entropy_job.hpp"
#include "activations.hpp"
#include "arena.hpp"
#include "barrier.hpp"
#include "matmul.hpp"

namespace carousel::ISA {
namespace {

// A matrix that lies depth by depth, one row of `stride` for each.
template <class U>
struct Transposed {
  const U* first;
  Index stride;
};

// left(r, k) for such a matrix
template <class U, int R>
struct Columns {
  using From = Transposed<U>;
  const U* first;
  Index stride;
  explicit Columns(From from) : first(from.first), stride(from.stride) {}
  U operator()(int r, Index k) const { return first[k * stride + r]; }
};

template <class U>
class CrossEntropy {
 public:
  using T = Number<U>;

  CrossEntropy(const CrossEntropyJob<T>& j, Arena& arena)
      : job(j),
        block(block_rows(j)),
        blocks(groups(j.rows, block)),
        depth(deep<U>(j.hidden)),
        wide(panels_width(j.hidden)),
        chunk(chunk_words(j)) {
    all = arena.take<Barrier>(1);
    if (all) all->reset();
    zero = arena.take<T>(wide > block ? wide : block);
    if (zero) __builtin_memset(zero, 0, sizeof(T) * static_cast<std::size_t>(wide > block ? wide : block));
    workers = arena.take<Worker>(job.threads);
    for (int id = 0; id < job.threads; ++id) {
      Worker w = worker(id, arena);
      if (workers) workers[id] = w;
    }
  }

  void work(int id) {
    Worker& w = workers[id];
    for (Index b = 0; b < blocks; ++b) {
      const Index first = group_begin(job.rows, blocks, b);
      w.begins = b == 0;
      take_rows(w, first, group_begin(job.rows, blocks, b + 1) - first, b & 1);
      for (Index c = 0; c < w.chunks; ++c) {
        forward(w, c);
        if (job.scale && job.summed) backward(w, c);
      }
      all->wait(job.threads);
      conclude(w, id);
      if (!job.scale) continue;
      add_up(w, id);
      for (Index c = 0; c < w.chunks && !job.summed; ++c) backward(w, c);
    }
  }

 private:
  static constexpr bool pairs = Lane<U>::depths > 1;  // a lane holds more than a number
  static constexpr Index most_rows = 128, fewest_rows = 32;
  static constexpr Index fewest_words = 48, most_words = 96;
  static constexpr Index tile_rows = Lane<U>::tile_rows;
  static constexpr T room = T(20);  // from a reference up to a logit: exp(20) is far from what T can hold
  static constexpr Index kept_bytes = 8 << 20;  // of exponentials of one block, unless fewest_rows need more

  // What the others read of a thread's work on a block.
  struct Found {
    T *reference, *sum, *target_logit;  // of each row
    T* weighted;                        // (block, H): sum over words of exp(logit - reference) times weight
  };

  struct Worker {
    Index from, to, chunks;   // its words
    Index rows;               // in the block at hand
    bool begins;              // the weight's gradient, with the first block
    Index row[most_rows];     // of x
    Index target[most_rows];
    T *scale, *log_sum, *shrink, *factor;  // of each row
    T *x, *scaled;                // (block, H): the rows side by side; and each times its factor
    U *x_columns, *x_panels;      // x and scaled, packed for the products that give logits and the weight's gradient
    U *weight_lanes, *weight_panels;
    U *down, *across;             // of a chunk, as lanes of words and of rows, where these are not numbers
    T *kept, *by;                 // (words, block) exponentials; (chunks, block) what they were taken by
    Found sides[2], *found;       // twice, so that a thread may go on while others read
  };

  static Index block_rows(const CrossEntropyJob<T>& j) {
    Index most = most_rows;
    if (keeps(j))
      while (most > fewest_rows && j.symbols * most * Index(sizeof(T)) > kept_bytes) most -= lanes<T>;
    return groups(groups(j.rows, groups(j.rows, most)), lanes<T>) * lanes<T>;
  }
  static bool keeps(const CrossEntropyJob<T>& j) { return j.scale && !j.summed; }
  static Index panels_width(Index width) { return groups(width, lanes<T>) * lanes<T>; }

  // Words of a chunk: the weights of one panel stay in the first cache, those of all in the second.
  static Index chunk_words(const CrossEntropyJob<T>& j) {
    const Index fit = (160 << 10) / (j.hidden * Index(sizeof(T)));
    return fit < fewest_words ? fewest_words : fit > most_words ? most_words : fit / 12 * 12;
  }

  Worker worker(int id, Arena& arena) const {
    Worker w{};
    w.from = job.symbols * id / job.threads;
    w.to = job.symbols * (id + 1) / job.threads;
    w.chunks = groups(w.to - w.from, chunk);
    w.scale = arena.take<T>(block);
    w.log_sum = arena.take<T>(block);
    w.shrink = arena.take<T>(block);
    w.factor = arena.take<T>(block);
    w.x = arena.take<T>(block * job.hidden);
    w.x_columns = arena.take<U>(depth * block);
    w.kept = arena.take<T>((keeps(job) ? w.to - w.from : chunk) * block);
    w.by = arena.take<T>((keeps(job) ? w.chunks : 1) * block);
    for (Found& side : w.sides) {
      side.reference = arena.take<T>(block);
      side.sum = arena.take<T>(block);
      side.target_logit = arena.take<T>(block);
      if (job.scale) side.weighted = arena.take<T>(block * wide);
    }
    if (pairs) w.weight_lanes = arena.take<U>(tall<U>(chunk) * row_lanes(job.hidden));
    if (!job.scale) return w;
    w.scaled = arena.take<T>(block * job.hidden);
    w.x_panels = arena.take<U>(deep<U>(block) * wide);
    w.weight_panels = arena.take<U>(deep<U>(chunk) * wide);
    if (pairs) w.down = arena.take<U>(deep<U>(chunk) * tall<U>(block));
    if (pairs) w.across = arena.take<U>(tall<U>(chunk) * row_lanes(block));
    return w;
  }
  // A row of numbers as lanes, with room for the last vector.
  static Index row_lanes(Index numbers) { return groups(deep<U>(numbers), lanes<U>) * lanes<U> + lanes<U>; }

  // The block's rows side by side, and packed; nothing found yet.
  void take_rows(Worker& w, Index first, Index rows, Index side) const {
    w.rows = rows;
    w.found = &w.sides[side];
    for (Index n = 0; n < block; ++n) {
      const bool real = n < rows;
      const Index row = !real ? 0 : job.counted ? static_cast<Index>(job.counted[first + n]) : first + n;
      w.row[n] = row;
      w.target[n] = real ? static_cast<Index>(job.targets[row]) : -1;
      w.scale[n] = real && job.scale ? job.scale[row] : T(0);
      w.log_sum[n] = !job.summed ? T(0) : real ? job.log_sums[row] : -lowest;
      w.found->reference[n] = job.summed ? w.log_sum[n] : lowest;
      w.found->sum[n] = w.found->target_logit[n] = T(0);
      if (real) __builtin_memcpy(w.x + n * job.hidden, job.x + row * job.x_row, sizeof(T) * static_cast<std::size_t>(job.hidden));
    }
    each_panel(block, [&](const Panel& panel) {
      Panel real = panel;
      real.width = rows < panel.column ? 0 : rows - panel.column < panel.width ? rows - panel.column : panel.width;
      pack_transposed(real, w.x + panel.column * job.hidden, job.hidden, w.x_columns + panel.column * depth);
    });
  }

  // (count, H) rows, `stride` apart, packed into panels of columns.
  void pack_panels(const T* rows, Index stride, Index count, U* to) const {
    constexpr Index depths = Lane<U>::depths;
    const Index high = deep<U>(count);
    for (Index k = 0; k < high; ++k)
      each_panel(job.hidden, [&](const Panel& panel) {
        const T* here[depths] = {};
        for (Index d = 0; d < depths && k * depths + d < count; ++d) here[d] = rows + (k * depths + d) * stride + panel.column;
        pack_rows(panel, here, to + panel.column * high + k * panel.vectors * lanes<U>);
      });
  }

  template <class Body>
  static void each_panel(Index width, Body body) {
    const Index panels = panels_for<T>(width);
    for (Index p = 0; p < panels; ++p) body(make_panel<T>(width, panels, p));
  }

  Index word(const Worker& w, Index c) const { return w.from + group_begin(w.to - w.from, w.chunks, c); }
  T* kept(const Worker& w, Index c) const { return keeps(job) ? w.kept + (word(w, c) - w.from) * block : w.kept; }
  T* by(const Worker& w, Index c) const { return keeps(job) ? w.by + c * block : w.by; }

  // Numbers that come soon, asked for in equal parts.
  struct Soon {
    const T *at, *end;
    Index part;

    template <int writes>
    void fetch() {
      const T* stop = end - at < part ? end : at + part;
      for (; at < stop; at += 64 / Index(sizeof(T))) __builtin_prefetch(at, writes, 2);
    }
  };
  // Of a matrix of words, with rows of so many numbers, those of chunk c + 1.
  Soon soon(const Worker& w, Index c, const T* matrix, Index row, Index parts) const {
    if (c + 1 == w.chunks) return {matrix, matrix, 0};
    const Index count = (word(w, c + 2) - word(w, c + 1)) * row;
    const T* first = matrix + word(w, c + 1) * row;
    return {first, first + count, groups(count, parts)};
  }
  Soon soon_kept(const Worker& w, Index c, Index parts) const {
    return keeps(job) ? soon(w, c, w.kept - w.from * block, block, parts) : Soon{};
  }

  void forward(Worker& w, Index c) const {
    logits(w, c);
    exponentials(w, c);
    if (!job.scale) return;
    const Index words = word(w, c + 1) - word(w, c);
    pack_panels(job.weight + word(w, c) * job.weight_row, job.weight_row, words, w.weight_panels);
    if (c > 0) shrink(w);
    weighted(w, c);
  }

  // (words, block): the chunk's logits without bias, transposed.
  void logits(const Worker& w, Index c) const {
    const Index begin = word(w, c), words = word(w, c + 1) - begin;
    const U* left[most_words];
    for (Index v = 0; v < words; ++v) {
      const T* row = job.weight + (begin + v) * job.weight_row;
      left[v] = Lane<U>::along(row, job.hidden, pairs ? w.weight_lanes + v * row_lanes(job.hidden) : nullptr);
    }
    Soon weights = soon(w, c, job.weight, job.weight_row, words);
    each_panel(block, [&](const Panel& panel) {
      each_tile<U>(words, [&](Index first, Index size) {
        T* to[tile_rows];
        for (Index r = 0; r < size; ++r) {
          to[r] = kept(w, c) + (first + r) * block + panel.column;
          if (panel.column == 0) weights.template fetch<0>();
        }
        const U* right = w.x_columns + panel.column * depth;
        Tiles<U, PointedRows>::multiply(size, panel.vectors, depth, {left + first, 0}, right, {to, 0, zero}, lanes<T>, right);
      });
    });
  }

  T bias(Index word) const { return job.bias ? job.bias[word] : T(0); }

  // In place of the chunk's logits.
  void exponentials(Worker& w, Index c) const {
    const Index begin = word(w, c), words = word(w, c + 1) - begin;
    T *values = kept(w, c), *reference = by(w, c);
    each_target(w, begin, words, [&](Index n, Index at) { w.found->target_logit[n] = values[at * block + n] + bias(begin + at); });
    for (Index n = 0; n < block; n += lanes<T>) {
      const Vector<T> before = load(w.found->reference + n);
      Vector<T> largest = splat<T>(lowest), sum{};
      for (Index v = 0; v < words && !job.summed; ++v) {
        const Vector<T> logit = load(values + v * block + n) + bias(begin + v);
        largest = logit > largest ? logit : largest;
      }
      const Vector<T> now = largest > before + room ? largest : before;
      for (Index v = 0; v < words; ++v) {
        const Vector<T> e = exp<T>(load(values + v * block + n) + bias(begin + v) - now);
        sum += e;
        store(values + v * block + n, e);
      }
      const Vector<T> shrink = exp<T>(before - now);
      store(w.shrink + n, shrink);
      store(w.found->sum + n, load(w.found->sum + n) * shrink + sum);
      store(w.found->reference + n, now);
      store(reference + n, now);
    }
  }

  // Call body(n, at) for each row whose target is a word of the chunk.
  template <class Body>
  void each_target(const Worker& w, Index begin, Index words, Body body) const {
    for (Index n = 0; n < w.rows; ++n)
      if (w.target[n] >= begin && w.target[n] < begin + words) body(n, w.target[n] - begin);
  }

  // Where a reference has moved, what was found before is taken by the new one too.
  void shrink(const Worker& w) const {
    for (Index n = 0; n < w.rows; ++n) {
      if (w.shrink[n] == T(1)) continue;
      T* row = w.found->weighted + n * wide;
      for (Index h = 0; h < wide; h += lanes<T>) store(row + h, load(row + h) * w.shrink[n]);
    }
  }

  // (rows, H) += exponentials (rows, words) times weight (words, H)
  void weighted(const Worker& w, Index c) const {
    const Index words = word(w, c + 1) - word(w, c), high = deep<U>(words);
    if constexpr (pairs) {
      const T* rows[most_words];
      for (Index v = 0; v < words; ++v) rows[v] = kept(w, c) + v * block;
      pack_strips(rows, words, 0, w.rows, w.down);
    }
    Soon exponentials = soon_kept(w, c, panels_for<T>(job.hidden) * groups(w.rows, tile_rows));
    each_panel(job.hidden, [&](const Panel& panel) {
      const U* right = w.weight_panels + panel.column * high;
      each_tile<U>(w.rows, [&](Index first, Index size) {
        exponentials.template fetch<1>();
        T* to[tile_rows];
        for (Index r = 0; r < size; ++r) to[r] = w.found->weighted + (first + r) * wide + panel.column;
        const Sums<T> sums{to, 0, c == 0 ? zero : nullptr};
        if constexpr (pairs)
          Tiles<U, PackedStrip>::multiply(size, panel.vectors, high, strip_at(w.down, high, first, size, 0), right, sums,
                                          lanes<T>, right);
        else
          Tiles<U, Columns>::multiply(size, panel.vectors, high, {kept(w, c) + first, block}, right, sums, lanes<T>, right);
      });
    });
  }

  // log_sum of each row over all threads; the first thread tells the caller.
  void conclude(Worker& w, int id) const {
    for (Index n = 0; n < block; n += lanes<T>) {
      Vector<T> largest = splat<T>(lowest), sum{}, logit{};
      for (int other = 0; other < job.threads; ++other) {
        const Vector<T> theirs = load(found(w, other).reference + n);
        largest = theirs > largest ? theirs : largest;
      }
      for (int other = 0; other < job.threads; ++other) {
        sum += load(found(w, other).sum + n) * exp<T>(load(found(w, other).reference + n) - largest);
        logit += load(found(w, other).target_logit + n);  // of the one thread that has the target
      }
      const Vector<T> log_sum = job.summed ? largest : largest + log<T>(sum);
      store(w.log_sum + n, log_sum);
      for (Index lane = 0; lane < lanes<T> && n + lane < w.rows && id == 0 && !job.summed; ++lane) {
        job.log_sums[w.row[n + lane]] = log_sum[lane];
        job.losses[w.row[n + lane]] = log_sum[lane] - logit[lane];
      }
    }
  }
  const Found& found(const Worker& w, int other) const { return workers[other].sides[w.found - w.sides]; }

  // The gradient by x of this thread's share of the block's rows, from what all threads found.
  void add_up(const Worker& w, int id) const {
    for (Index n = w.rows * id / job.threads; n < w.rows * (id + 1) / job.threads; ++n) {
      T* to = job.x_gradient + w.row[n] * job.hidden;
      const T* target = job.weight + w.target[n] * job.weight_row;
      for (Index h = 0; h < job.hidden; h += lanes<T>) {
        const Index count = job.hidden - h < lanes<T> ? job.hidden - h : lanes<T>;
        Vector<T> sum = load_some(target + h, count) * -w.scale[n];
        for (int other = 0; other < job.threads; ++other) {
          if (workers[other].chunks == 0) continue;
          const Vector<T> factor = exp<T>(splat<T>(found(w, other).reference[n] - w.log_sum[n]));
          sum += load(found(w, other).weighted + n * wide + h) * (factor * w.scale[n]);
        }
        if (count == lanes<T>)
          store(to + h, sum);
        else
          store_part(to + h, sum, count);
      }
    }
  }

  void backward(Worker& w, Index c) const {
    const Index begin = word(w, c), words = word(w, c + 1) - begin;
    if (c == 0 || __builtin_memcmp(by(w, c), by(w, c - 1), sizeof(T) * static_cast<std::size_t>(block)) != 0) scale(w, by(w, c));
    if (job.bias_gradient) bias_gradient(w, kept(w, c), begin, words);
    weight_gradient(w, c, begin, words);
    each_target(w, begin, words, [&](Index n, Index at) {
      T* to = job.weight_gradient + (begin + at) * job.hidden;
      for (Index h = 0; h < job.hidden; ++h) to[h] -= w.scale[n] * w.x[n * job.hidden + h];
    });
  }

  // What turns exponentials by this reference into the gradients of the logits, but for the targets': into x.
  void scale(Worker& w, const T* reference) const {
    for (Index n = 0; n < block; n += lanes<T>)
      store(w.factor + n, load(w.scale + n) * exp<T>(load(reference + n) - load(w.log_sum + n)));
    for (Index n = 0; n < w.rows; ++n)
      for (Index h = 0; h < job.hidden; ++h) w.scaled[n * job.hidden + h] = w.x[n * job.hidden + h] * w.factor[n];
    pack_panels(w.scaled, job.hidden, w.rows, w.x_panels);
  }

  void bias_gradient(const Worker& w, const T* values, Index begin, Index words) const {
    for (Index v = 0; v < words; ++v) {
      Vector<T> sum{};
      for (Index n = 0; n < block; n += lanes<T>) sum += load(values + v * block + n) * load(w.factor + n);
      job.bias_gradient[begin + v] = total<T>(sum) + (w.begins ? T(0) : job.bias_gradient[begin + v]);
    }
    each_target(w, begin, words, [&](Index n, Index at) { job.bias_gradient[begin + at] -= w.scale[n]; });
  }

  // (words, H) += exponentials (words, rows) times scaled (rows, H)
  void weight_gradient(const Worker& w, Index c, Index begin, Index words) const {
    const Index high = deep<U>(w.rows);
    const U* left[most_words];
    for (Index v = 0; v < words; ++v)
      left[v] = Lane<U>::along(kept(w, c) + v * block, w.rows, pairs ? w.across + v * row_lanes(block) : nullptr);
    const Index tiles = panels_for<T>(job.hidden) * groups(words, tile_rows);
    Soon gradient = soon(w, c, job.weight_gradient, job.hidden, tiles), exponentials = soon_kept(w, c, tiles);
    each_panel(job.hidden, [&](const Panel& panel) {
      each_tile<U>(words, [&](Index first, Index size) {
        gradient.template fetch<1>();
        exponentials.template fetch<0>();
        T* to[tile_rows];
        for (Index r = 0; r < size; ++r) to[r] = job.weight_gradient + (begin + first + r) * job.hidden + panel.column;
        const U* right = w.x_panels + panel.column * high;
        Tiles<U, PointedRows>::multiply(size, panel.vectors, high, {left + first, 0}, right,
                                        {to, 0, w.begins ? zero : nullptr}, panel.tail, right);
      });
    });
  }

  static constexpr T lowest = sizeof(T) == 4 ? T(-3.4e38) : T(-1.7e308);  // below every logit, and no infinity

  CrossEntropyJob<T> job;
  Index block, blocks, depth, wide, chunk;  // rows at a time; H in lanes of U; H in whole vectors; words at a time
  Barrier* all;
  T* zero;
  Worker* workers;
};

}  // namespace
}  // namespace carousel::ISA
