// What the forward and the backward walk share: where each vector of a step stands, and the products of its rows.
#pragma once

#include "packed_weights.hpp"

namespace carousel::ISA {
namespace {

constexpr Index rounded_rows = 96;  // rows that are rounded for a product at once

// Which way a thread goes over the panels of a product. Steps go to and fro: of weights that are larger than a cache, the
// next step then begins with those that are still in it.
struct alignas(64) Turn {
  bool backwards;
};

template <class U>
struct Loop : PackedWeights<U> {
  using Base = PackedWeights<U>;
  using T = Number<U>;
  using Registers = TileRegisters<U>;
  using Base::apart;
  using Base::bias;
  using Base::carried;
  using Base::count;
  using Base::depths;
  using Base::group;
  using Base::input_at;
  using Base::job;
  using Base::member_of;
  using Base::min;
  using Base::origin;
  using Base::packed_row;
  using Base::part_of;
  using Base::sequence;
  using Base::unit_bound;
  using Base::unit_parts;
  using Base::wait_for_units;
  Index chunk;     // steps at a time
  Index row_size;  // of the tape
  T* tape;         // the job's, or a ring of chunk + 1 steps
  bool ring;
  T* zeros;
  T* shares;       // (members, B, sums): what each thread of a sequence adds to its sums over units
  const T*** left;  // for each thread: rows of a chunk
  T*** out;
  Index rounded_size;  // of a left-hand row in lanes, if numbers are rounded for products
  U** rounded;         // for each thread: rounded rows
  Turn* turns;         // for each thread
  const U*** lanes_of;  // and where each begins

  // chunk_rows: how many rows are multiplied at once where a product does not wait for the step before.
  Loop(const Job<T>& task, Arena& arena, Index chunk_rows) : Base(task, arena) {
    const Program& program = *job.program;
    const Index threads = job.threads;
    chunk = chunk_rows / job.batch;
    if (chunk < 1) chunk = 1;
    if (chunk > job.steps.count) chunk = job.steps.count;
    row_size = program.slots * job.hidden + program.sums;
    ring = job.tape == nullptr;
    tape = ring ? arena.take<T>((chunk + 1) * job.batch * row_size) : job.tape;
    const Index widest = job.hidden > job.inputs ? job.hidden : job.inputs;
    zeros = arena.take<T>(widest + tile_vectors * lanes<T>);
    shares = arena.take<T>(unit_parts > 1 ? unit_parts * job.batch * most_sums() : 0);
    left = arena.take<const T**>(threads);
    out = arena.take<T**>(threads);
    rounded = arena.take<U*>(threads);
    turns = arena.take<Turn>(threads);
    lanes_of = arena.take<const U**>(threads);
    const Index inputs = deep<U>(job.inputs), deltas = program.blocks * deep<U>(job.hidden);
    rounded_size = depths == 1 ? 0 : inputs > deltas ? inputs : deltas;
    if (Lane<U>::depth_step > 1) rounded_size |= lanes<U>;  // odd in cache lines: rows must not meet in one set of a cache
    for (Index id = 0; id < threads; ++id) {
      const T** l = arena.take<const T*>(chunk * job.batch);
      T** o = arena.take<T*>(chunk * job.batch);
      U* r = arena.take<U>(rounded_rows * rounded_size);
      const U** r_rows = arena.take<const U*>(rounded_rows);
      if (arena.counting()) continue;
      turns[id].backwards = false;
      left[id] = l;
      out[id] = o;
      rounded[id] = r;
      lanes_of[id] = r_rows;
    }
    if (arena.counting()) return;
    for (Index u = 0; u < widest + tile_vectors * lanes<T>; ++u) zeros[u] = T(0);
  }

  Index tape_row(Index k, Index b) const {
    return ring ? k % (chunk + 1) * job.batch + b : packed_row(k, b);
  }
  T* tape_at(Index k, Index b, Index slot) const { return tape + tape_row(k, b) * row_size + slot * job.hidden; }
  // the new state `s` of step k: the first state is the output, the others stand at the end of the tape's row
  T* state_at(Index s, Index k, Index b) const {
    if (s == 0) return job.output + packed_row(k, b) * job.hidden;
    return tape_at(k, b, job.program->slots - job.program->states + s);
  }
  Index state_stride(Index s) const { return s == 0 ? job.hidden : row_size; }
  const T* initial_at(Index s, Index b) const {
    return job.initial[s] ? job.initial[s] + b * job.hidden : zeros;
  }

  const T* previous_at(Index s, Index k, Index b) const {
    switch (origin(k, b)) {
      case Origin::carried: return state_at(s, k - 1, b);
      case Origin::initial: return initial_at(s, b);
      default: return zeros;
    }
  }

  // where a product of step k finds the vector it multiplies
  const T* vector_at(const Product& product, Index k, Index b) const {
    switch (product.kind) {
      case Kind::tape: return tape_at(k, b, product.index);
      case Kind::fresh: return state_at(product.index, k, b);
      case Kind::previous: return previous_at(product.index, k, b);
      default: return input_at(k, b);
    }
  }

  void turn(int id) { turns[id].backwards = !turns[id].backwards; }

  // The rows listed in `left` times the matrix, for one unit part, to the rows listed in `out`.
  void multiply_rows(int id, const Packed<U>& matrix, Index part, Index rows, const T* from) {
    if constexpr (depths == 1) {
      multiply(matrix, part, rows, left[id], out[id], from, turns[id].backwards);
    } else {
      for (Index first = 0; first < rows; first += rounded_rows) {
        const Index some = min(rounded_rows, rows - first);
        for (Index r = 0; r < some; ++r) {
          U* to = rounded[id] + r * rounded_size;
          lanes_of[id][r] = to;
          for (Index run = 0; run < matrix.run_count; ++run)
            Lane<U>::along(left[id][first + r] + matrix.runs[run].from, matrix.runs[run].count, to + matrix.runs[run].offset);
        }
        multiply(matrix, part, some, lanes_of[id], out[id] + first, from, turns[id].backwards);
      }
    }
  }

  // The arrays of step k from sequence j of the part on, in the order of `Kind`, shifted to this thread's units.
  Index list_forward(Rows<T>* list, Index k, Index part, Index j, Origin origin, Index member) const {
    const Program& program = *job.program;
    const Index b = sequence(part, j), unit = unit_bound(member);
    Index n = 0;
    for (Index slot = 0; slot < program.slots - (program.states - 1); ++slot)
      list[n++] = {tape_at(k, b, slot) + unit, apart() * row_size};
    for (Index s = 0; s < program.states; ++s) {
      const Index given = origin == Origin::initial && job.initial[s] ? job.hidden : 0;
      const Index stride = origin == Origin::carried ? state_stride(s) : given;
      list[n++] = {const_cast<T*>(previous_at(s, k, b)) + unit, apart() * stride};
    }
    for (Index s = 0; s < program.states; ++s)
      list[n++] = {state_at(s, k, b) + unit, apart() * state_stride(s)};
    for (const Row& vector : program.learned)
      list[n++] = {const_cast<T*>(job.parameters[vector.parameter]) + vector.row * job.hidden + unit, 0};
    return list_sums(list, n, tape_at(k, b, program.slots), row_size, b, member, program.sums);
  }

  // Sums over units: where they are read, and where they are added up. Threads that share a sequence have a place each
  // for what they add.
  Index list_sums(Rows<T>* list, Index n, T* sums, Index stride, Index b, Index member, Index count) const {
    if (!count) return n;
    list[n++] = {sums, apart() * stride};
    if (unit_parts == 1)
      list[n++] = {sums, apart() * stride};
    else
      list[n++] = {share_at(member, b), apart() * most_sums()};
    return n;
  }

  // After a phase: wait for those who share the sequences; one of them puts their sums together, in one order.
  // `at(b)` is where the sums of sequence b stand.
  template <class Sums>
  void end_phase(int id, Index rows, Index count, Sums at) {
    wait_for_units(id);
    if (!count || unit_parts == 1) return;
    for (Index j = 0; member_of(id) == 0 && j < rows; ++j) {
      const Index b = sequence(part_of(id), j);
      for (Index s = 0; s < count; ++s) {
        T sum = share_at(0, b)[s];
        for (Index member = 1; member < unit_parts; ++member) sum += share_at(member, b)[s];
        at(b)[s] = sum;
      }
    }
    wait_for_units(id);
  }

  Index most_sums() const {
    const Program& program = *job.program;
    return program.sums > program.work_sums ? program.sums : program.work_sums;
  }
  T* share_at(Index member, Index b) const { return shares + (member * job.batch + b) * most_sums(); }
};

}  // namespace
}  // namespace carousel::ISA
