// The forward walk: for each chunk of steps the product with the input at once, then step by step the phases of the cell.
#pragma once

#include "time_loop.hpp"

namespace carousel::ISA {
namespace {

template <class U>
struct Forward : Loop<U> {
  using Base = Loop<U>;
  using T = typename Base::T;
  using Base::job;
  // few, so that what the product with the input writes is still near when the steps come to it
  static constexpr Index chunk_rows = Lane<U>::depth_step > 1 ? 1024 : 128;
  Packed<U> input;
  Packed<U>* products;  // of all phases, in order

  Forward(const Job<T>& task, Arena& arena) : Base(task, arena, chunk_rows) {
    Arena apart{job.packed, 0};
    lay(arena, job.packed ? apart : arena);
  }
  Forward(const Job<T>& task, Arena& arena, Arena& weights) : Base(task, arena, chunk_rows) { lay(arena, weights); }

  void lay(Arena& arena, Arena& weights) {
    const Program& program = *job.program;
    Base::bias = weights.take<T>(program.blocks * job.hidden);
    for (const Product& product : program.input) input = Base::lay_forward(product, arena, weights);
    Index total = 0;
    for (const Phase& phase : program.forward) total += static_cast<Index>(phase.products.size());
    products = arena.take<Packed<U>>(total);
    Index p = 0;
    for (const Phase& phase : program.forward)
      for (const Product& product : phase.products) {
        const Packed<U> packed = Base::lay_forward(product, arena, weights);
        if (!arena.counting()) products[p] = packed;
        ++p;
      }
  }

  void pack(int id) {
    const Program& program = *job.program;
    for (const Product& product : program.input) Base::pack_forward(input, product, id);
    const Packed<U>* packed = products;
    for (const Phase& phase : program.forward)
      for (const Product& product : phase.products) Base::pack_forward(*packed++, product, id);
    if (id == 0) Base::sum_biases();
  }

  void walk(int id) {
    for (Index k0 = 0; k0 < job.steps.count; k0 += Base::chunk) {
      const Index k1 = Base::min(k0 + Base::chunk, job.steps.count);
      multiply_input(id, k0, k1);
      Base::wait_for_group(id);
      if (Base::member_of(id) < Base::unit_parts)
        for (Index k = k0; k < k1; ++k) step(id, k);
      Base::wait_for_group(id);
    }
  }

  // Threads that share the sequences do it for their own units; if some of them have no units, each for its own rows.
  void multiply_input(int id, Index k0, Index k1) {
    const T** left = Base::left[id];
    T** out = Base::out[id];
    if (job.program->input.empty()) return;
    const bool by_units = Base::unit_parts == Base::group;
    Index rows = 0;
    Base::each_row_of_share(id, k0, k1, by_units, [&](Index k, Index b) {
      left[rows] = Base::input_at(k, b);
      out[rows++] = Base::tape_at(k, b, 0);
    });
    if (by_units) return Base::multiply_rows(id, input, Base::member_of(id), rows, Base::bias);
    for (Index part = 0; part < Base::unit_parts; ++part) Base::multiply_rows(id, input, part, rows, Base::bias);
  }

  void step(int id, Index k) {
    const Program& program = *job.program;
    const Index part = Base::part_of(id), member = Base::member_of(id);
    const Index rows = Base::sequences(part, Base::count(k));
    const T** left = Base::left[id];
    T** out = Base::out[id];
    for (Index j = 0; j < rows; ++j) out[j] = Base::tape_at(k, Base::sequence(part, j), 0);
    const Packed<U>* packed = products;
    for (std::size_t phase = 0; phase < program.forward.size(); ++phase) {
      for (const Product& product : program.forward[phase].products) {
        for (Index j = 0; j < rows; ++j) left[j] = Base::vector_at(product, k, Base::sequence(part, j));
        Base::multiply_rows(id, *packed++, member, rows, Base::bias);
      }
      Base::each_run(k, part, [&](Index j, Index count, Origin origin) {
        Rows<T> list[most_operands];
        Base::list_forward(list, k, part, j, origin, member);
        job.cell->forward[phase](list, count, Base::unit_count(member), job.hidden);
      });
      Base::end_phase(id, rows, program.sums, [&](Index b) { return Base::tape_at(k, b, program.slots); });
    }
    keep_final(part, member, k);
    Base::turn(id);
  }

  // Sequences that end here leave their state behind.
  void keep_final(Index part, Index member, Index k) {
    const Index unit = Base::unit_bound(member), width = Base::unit_count(member);
    for (Index j = Base::sequences(part, Base::continued(k)); j < Base::sequences(part, Base::count(k)); ++j)
      for (Index s = 0; s < job.program->states; ++s) {
        const Index b = Base::sequence(part, j);
        __builtin_memcpy(job.final[s] + b * job.hidden + unit, Base::state_at(s, k, b) + unit, sizeof(T) * width);
      }
  }
};

}  // namespace
}  // namespace carousel::ISA
