// The backward walk: chunk by chunk from the end, step by step the phases of the derived backward pass; after each
// chunk, while its deltas are in the cache, the gradients of the input and of the weights as large products.
#pragma once

#include "time_loop.hpp"

namespace carousel::ISA {
namespace {

template <class U>
struct Backward : Loop<U> {
  using Base = Loop<U>;
  using T = typename Base::T;
  using Base::job;
  // The faster products are, the more it costs that each chunk reads and writes the whole gradient of the weights
  // (512 to 1024 rows with AMX: a tenth at H = 650).
  static constexpr Index chunk_rows = Lane<U>::depth_step > 1 ? 1024 : 512;
  Index work_size;          // of a row of deltas and other gradients
  T* work_rows;             // (chunk, B, work, H)
  T* carry[2];              // gradients of the states, (states, B, H), in turn
  T* unclaimed;             // (states, B, H): gradients that a reset cuts off
  T* bias_gradient;         // (blocks, H)
  Index learned_size;       // of all learned diagonals and vectors
  T* learned_gradient;      // (threads, learned, H)
  U** strips;               // for each thread: the deltas of one block, packed
  const T** deltas;         // all rows of the chunk
  Packed<U> input;          // deltas -> gradient of x
  Packed<U>* products;      // of all phases, then the closing ones
  const Product** forward;  // every product whose weights want a gradient, the input's first
  Packed<U>* sources;       // their vectors of the chunk, packed
  Index forward_count;

  Backward(const Job<T>& task, Arena& arena) : Base(task, arena, chunk_rows) {
    const Program& program = *job.program;
    const Index rows = Base::chunk * job.batch, H = job.hidden;
    work_size = program.work * H + program.work_sums;
    learned_size = static_cast<Index>(program.learned.size()) * H;
    work_rows = arena.take<T>(rows * work_size);
    for (T*& buffer : carry) buffer = arena.take<T>(program.states * job.batch * H);
    unclaimed = arena.take<T>(job.resets ? program.states * job.batch * H : 0);
    bias_gradient = arena.take<T>(program.blocks * H);
    learned_gradient = arena.take<T>(job.threads * learned_size);
    strips = arena.take<U*>(job.threads);
    for (int id = 0; id < job.threads; ++id) {
      U* strip = arena.take<U>(deep<U>(rows) * tall<U>(slice_end(id) - slice_begin(id)));
      if (!arena.counting()) strips[id] = strip;
    }
    deltas = arena.take<const T*>(rows);
    if (job.x_gradient)
      for (const Product& product : program.input) input = Base::lay_backward(product, job.inputs, 1, arena);
    lay_products(arena);
    lay_sources(rows, arena);
  }

  void lay_products(Arena& arena) {
    const Program& program = *job.program;
    Index total = static_cast<Index>(program.closing.size()), p = 0;
    for (const Phase& phase : program.backward) total += static_cast<Index>(phase.products.size());
    products = arena.take<Packed<U>>(total);
    each_backward_product([&](const Product& product) {
      const Packed<U> packed = Base::lay_backward(product, job.hidden, Base::unit_parts, arena);
      if (!arena.counting()) products[p] = packed;
      ++p;
    });
  }

  void lay_sources(Index rows, Arena& arena) {
    const Program& program = *job.program;
    forward_count = static_cast<Index>(program.input.size());
    for (const Phase& phase : program.forward) forward_count += static_cast<Index>(phase.products.size());
    forward = arena.take<const Product*>(forward_count);
    sources = arena.take<Packed<U>>(forward_count);
    Index f = 0;
    auto add = [&](const Product& product) {
      const Index width = Base::width_of(product), panels = panels_for<T>(width);
      Packed<U> packed = Base::lay(panels, 1, 0, deep<U>(rows), arena);
      Index size = 0;
      for (Index p = 0; p < panels; ++p) size += Base::place(packed, p, make_panel<T>(width, panels, p), size);
      packed.data = arena.take<U>(size);
      if (!arena.counting()) {
        packed.part[1] = panels;
        forward[f] = &product;
        sources[f] = packed;
      }
      ++f;
    };
    for (const Product& product : program.input) add(product);
    for (const Phase& phase : program.forward)
      for (const Product& product : phase.products) add(product);
  }

  template <class Body>
  void each_backward_product(Body body) const {
    for (const Phase& phase : job.program->backward)
      for (const Product& product : phase.products) body(product);
    for (const Product& product : job.program->closing) body(product);
  }

  // the units of every block whose weight gradients fall to this thread
  Index slice_begin(int id) const { return job.hidden * id / job.threads; }
  Index slice_end(int id) const { return job.hidden * (id + 1) / job.threads; }

  T* work_at(Index k, Index b, Index slot) const {
    return work_rows + (k % Base::chunk * job.batch + b) * work_size + slot * job.hidden;
  }
  // gradient of state s after step k (before it: turn k)
  T* carry_at(Index turn, Index s, Index b) const {
    if (job.state_gradients)
      return job.state_gradients + (s * Base::row_count() + Base::packed_row(turn - 1, b)) * job.hidden;
    return carry[turn % 2] + (s * job.batch + b) * job.hidden;
  }
  // what the gradient of the state before step k is handed to; after a reset, to nobody
  T* previous_gradient_at(Index s, Index k, Index b) const {
    if (Base::origin(k, b) == Origin::zero) return unclaimed + (s * job.batch + b) * job.hidden;
    return before_reset_at(s, k, b);
  }
  T* before_reset_at(Index s, Index k, Index b) const {
    return b < Base::carried(k) ? carry_at(k, s, b) : job.initial_gradient[s] + b * job.hidden;
  }

  void pack(int id) {
    const Program& program = *job.program;
    if (job.x_gradient)
      for (const Product& product : program.input) Base::pack_backward(input, product, job.inputs, id);
    const Packed<U>* packed = products;
    each_backward_product([&](const Product& product) { Base::pack_backward(*packed++, product, job.hidden, id); });
    clear(learned_gradient + id * learned_size, learned_size);
  }

  void walk(int id) {
    const Index chunks = groups(job.steps.count, Base::chunk);
    for (Index c = chunks - 1; c >= 0; --c) {
      const Index k0 = c * Base::chunk, k1 = Base::min(k0 + Base::chunk, job.steps.count);
      const Index rows = gather(id, k0, k1);
      if (Base::member_of(id) < Base::unit_parts)
        for (Index k = k1 - 1; k >= k0; --k) step(id, k);
      Base::all->wait(job.threads);
      add_weight_gradients(id, rows, c == chunks - 1);
      multiply_deltas(id, k0, k1);
      Base::all->wait(job.threads);
    }
    give_biases(id);
    if (id == 0) give_learned();
  }

  static void clear(T* values, Index count) {
    for (Index i = 0; i < count; ++i) values[i] = T(0);
  }

  // ---- the steps ----

  void step(int id, Index k) {
    const Program& program = *job.program;
    const Index part = Base::part_of(id), member = Base::member_of(id);
    const Index rows = Base::sequences(part, Base::count(k));
    const T** left = Base::left[id];
    T** out = Base::out[id];
    begin_final(part, member, k);
    cut_at_resets(part, member, k);
    for (Index j = 0; j < rows; ++j) left[j] = work_at(k, Base::sequence(part, j), 0);
    const Packed<U>* packed = products;
    auto product_of = [&](const Product& product) {
      for (Index j = 0; j < rows; ++j) {
        const Index b = Base::sequence(part, j);
        out[j] = product.kind == Kind::work ? work_at(k, b, product.index) : previous_gradient_at(product.index, k, b);
      }
      Base::multiply_rows(id, *packed++, member, rows, Base::zeros);
    };
    for (std::size_t phase = 0; phase < program.backward.size(); ++phase) {
      for (const Product& product : program.backward[phase].products) product_of(product);
      Base::each_run(k, part, [&](Index j, Index count, Origin origin) {
        Rows<T> list[most_operands];
        list_backward(list, id, k, part, j, origin, member);
        job.cell->backward[phase](list, count, Base::unit_count(member), job.hidden);
      });
      Base::end_phase(id, rows, program.work_sums, [&](Index b) { return work_at(k, b, program.work); });
    }
    for (const Product& product : program.closing) product_of(product);
    Base::turn(id);
  }

  // Sequences whose last step this is bring the gradient of their final state.
  void begin_final(Index part, Index member, Index k) {
    const Index unit = Base::unit_bound(member), width = Base::unit_count(member);
    for (Index j = Base::sequences(part, Base::continued(k)); j < Base::sequences(part, Base::count(k)); ++j)
      for (Index s = 0; s < job.program->states; ++s) {
        const Index b = Base::sequence(part, j);
        const T* from = job.final_gradient[s] ? job.final_gradient[s] + b * job.hidden : Base::zeros;
        __builtin_memcpy(carry_at(k + 1, s, b) + unit, from + unit, sizeof(T) * width);
      }
  }

  // Nothing flows back past a reset.
  void cut_at_resets(Index part, Index member, Index k) {
    if (!job.resets) return;
    const Index unit = Base::unit_bound(member), width = Base::unit_count(member);
    for (Index j = 0; j < Base::sequences(part, Base::count(k)); ++j) {
      const Index b = Base::sequence(part, j);
      if (Base::origin(k, b) == Origin::zero)
        for (Index s = 0; s < job.program->states; ++s) clear(before_reset_at(s, k, b) + unit, width);
    }
  }

  void list_backward(Rows<T>* list, int id, Index k, Index part, Index j, Origin origin, Index member) const {
    const Program& program = *job.program;
    const Index b = Base::sequence(part, j), stride = Base::apart() * job.hidden;
    const Index unit = Base::unit_bound(member);
    Index n = Base::list_forward(list, k, part, j, origin, member);
    for (Index s = 0; s < program.states; ++s) list[n++] = {carry_at(k + 1, s, b) + unit, stride};
    if (job.output_gradient)
      list[n++] = {const_cast<T*>(job.output_gradient) + Base::packed_row(k, b) * job.hidden + unit, stride};
    else
      list[n++] = {Base::zeros, 0};
    for (Index slot = 0; slot < program.work; ++slot)
      list[n++] = {work_at(k, b, slot) + unit, Base::apart() * work_size};
    for (Index s = 0; s < program.states; ++s) list[n++] = {previous_gradient_at(s, k, b) + unit, stride};
    for (T* vector = learned_gradient + id * learned_size; vector < learned_gradient + (id + 1) * learned_size; vector += job.hidden)
      list[n++] = {vector + unit, 0};
    Base::list_sums(list, n, work_at(k, b, program.work), work_size, b, member, program.work_sums);
  }

  // ---- the products after each chunk ----

  // List the chunk's rows and pack this thread's share of the vectors that the weights have multiplied.
  Index gather(int id, Index k0, Index k1) {
    Index rows = 0;
    for (Index k = k0; k < k1; ++k) rows += Base::count(k);
    if (id == 0) {
      Index row = 0;
      for (Index k = k0; k < k1; ++k)
        for (Index b = 0; b < Base::count(k); ++b) deltas[row++] = work_at(k, b, 0);
    }
    const T** vectors = Base::left[id];
    for (Index f = 0; f < forward_count; ++f) {
      const Packed<U>& source = sources[f];
      Index row = 0;
      for (Index k = k0; k < k1; ++k)
        for (Index b = 0; b < Base::count(k); ++b) vectors[row++] = Base::vector_at(*forward[f], k, b);
      for (Index p = id; p < source.part[1]; p += job.threads) {
        const Panel& panel = source.panels[p];
        U* to = source.data + panel.offset;
        each_depth<U>(vectors, rows, panel.column, [&](const T* const* here, Index k) {
          pack_rows(panel, here, to + k * panel.vectors * lanes<U>);
        });
      }
    }
    return rows;
  }

  void add_weight_gradients(int id, Index rows, bool first) {
    const Program& program = *job.program;
    const Index begin = slice_begin(id), end = slice_end(id);
    U* strip = strips[id];
    if (begin == end) return;
    for (Index slot = 0; slot < program.blocks; ++slot) {
      pack_strips(deltas, rows, slot * job.hidden + begin, slot * job.hidden + end, strip);
      add_bias_gradient(rows, slot * job.hidden, begin, end, first);
      for (Index f = 0; f < forward_count; ++f)
        for (const Block& block : forward[f]->blocks)
          if (block.slot == slot) add_block_gradient(*forward[f], block, sources[f], strip, rows, begin, end, first);
    }
  }

  void add_block_gradient(const Product& product, const Block& block, const Packed<U>& source, const U* strip,
                          Index rows, Index begin, Index end, bool first) {
    const Index width = Base::width_of(product);
    T* gradient = job.parameter_gradients[block.parameter] + (block.row * job.hidden + begin) * width;
    for (Index p = 0; p < source.part[1]; ++p)
      add_outer_products(source.panels[p], source.data + source.panels[p].offset, strip, deep<U>(rows), end - begin, gradient, width,
                         first ? Base::zeros : nullptr);
  }

  void add_bias_gradient(Index rows, Index column, Index begin, Index end, bool first) {
    T* sum = bias_gradient + column;
    if (first) clear(sum + begin, end - begin);
    for (Index u = begin; u < end; u += lanes<T>) {
      const Index count = Base::min(lanes<T>, end - u);
      Vector<T> even = load_some(sum + u, count), odd{};
      for (Index row = 0; row < rows; row += 2) {
        even += load_some(deltas[row] + column + u, count);
        if (row + 1 < rows) odd += load_some(deltas[row + 1] + column + u, count);
      }
      store_part(sum + u, even + odd, count);
    }
  }

  void multiply_deltas(int id, Index k0, Index k1) {
    if (!job.x_gradient || job.program->input.empty()) return;
    const T** left = Base::left[id];
    T** out = Base::out[id];
    Index rows = 0;
    Base::each_row_of_share(id, k0, k1, false, [&](Index k, Index b) {
      left[rows] = work_at(k, b, 0);
      out[rows++] = job.x_gradient + Base::packed_row(k, b) * job.inputs;
    });
    Base::multiply_rows(id, input, 0, rows, Base::zeros);
  }

  // ---- what is left at the end ----

  void give_biases(int id) {
    for (Index slot = 0; slot < job.program->blocks; ++slot)
      for (const Row& part : job.program->biases[slot])
        if (T* to = job.parameter_gradients[part.parameter])
          for (Index u = slice_begin(id); u < slice_end(id); ++u)
            to[part.row * job.hidden + u] = bias_gradient[slot * job.hidden + u];
  }

  void give_learned() {
    const T* from = learned_gradient;
    for (const Row& vector : job.program->learned) {
      T* to = job.parameter_gradients[vector.parameter] + vector.row * job.hidden;
      for (Index u = 0; u < job.hidden; ++u, ++from) {
        to[u] = T(0);
        for (int id = 0; id < job.threads; ++id) to[u] += from[id * learned_size];
      }
    }
  }
};

}  // namespace
}  // namespace carousel::ISA
