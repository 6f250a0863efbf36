// Who works on what: which thread computes which sequences and units, and who waits for whom.
//
// The batch is split over threads with no barrier between time steps. Only where there are fewer sequences than threads,
// or few of them for weights that outgrow the second cache, do several threads share the sequences, each computing some
// of their units, with a barrier after each phase.
#pragma once

#include "arena.hpp"
#include "barrier.hpp"
#include "matmul.hpp"
#include "steps.hpp"

namespace carousel::ISA {
namespace {

constexpr Index worthwhile_weights = 24000;  // of a step, for each thread that shares a sequence: fewer, and waiting for
                                             // each other, on cores far apart, costs what it saves
constexpr Index near_bytes = 3 << 19;   // of the weights of a step: what stays in a second cache of 2 MB
#if defined(CAROUSEL_AMX)
constexpr Index worthwhile_rows = 16;  // that a thread multiplies by weights from farther away: fewer wait for them
#else
constexpr Index worthwhile_rows = 8;  // where a core multiplies half as much in a cycle
#endif

// U: what a lane of a product holds, the number of the states (T) itself or a pair of rounded ones (bfloat16.hpp).
template <class U>
struct Partition : StepOrder<Number<U>> {
  using T = Number<U>;
  using Order = StepOrder<T>;
  using Order::carried;
  using Order::count;
  using Order::job;
  using Order::min;
  using Order::origin;
  Index batch_parts, group, unit_parts;  // threads = batch_parts * group; unit_parts <= group share one sequence
  Index leap;                            // neighbours in a part whose sequences stand an equal way apart
  Barrier* all;
  Barrier* of_group;  // for each part of the batch: all who share it
  Barrier* of_units;  // and those of them who share its time steps: another number, so another barrier

  Partition(const Job<T>& task, Arena& arena) : Order(task) {
    batch_parts = parts_of_batch();
    group = job.threads / batch_parts;
    leap = batch_parts > 1 && job.steps.rows[job.steps.count - 1] < job.steps.rows[0] ? 2 : 1;
    unit_parts = min(group, min(groups(job.hidden, lanes<T>), step_blocks() * job.hidden * job.hidden / worthwhile_weights));
    if (unit_parts < 1) unit_parts = 1;
    all = arena.take<Barrier>(1);
    of_group = arena.take<Barrier>(batch_parts);
    of_units = arena.take<Barrier>(batch_parts);
    if (arena.counting()) return;
    all->reset();
    for (Index part = 0; part < batch_parts; ++part) {
      of_group[part].reset();
      of_units[part].reset();
    }
  }

  // Matrices of (H, H) that a step multiplies by.
  Index step_blocks() const {
    Index blocks = 0;
    for (const Phase& phase : job.program->forward)
      for (const Product& product : phase.products) blocks += static_cast<Index>(product.blocks.size());
    return blocks;
  }

  // One for each thread, unless all would read large weights for few sequences each.
  Index parts_of_batch() const {
    Index parts = min(job.threads, job.batch);
    const Index bytes = step_blocks() * job.hidden * groups(job.hidden, Lane<U>::depths) * static_cast<Index>(sizeof(U));
    if (bytes > near_bytes)
      while (parts > 1 && (job.batch < parts * worthwhile_rows || job.threads % parts)) --parts;
    return parts;
  }

  // Thread `id` works on sequence `part` of every `batch_parts` of them.
  // Where some end before others, the longest first, every second round of parts goes backwards (0 1 1 0 0 1 ...), so
  // that no part has the longer of each.

  Index part_of(int id) const { return id / group; }
  Index member_of(int id) const { return id % group; }
  Index sequence(Index part, Index j) const {
    return j * batch_parts + (leap == 2 && j % 2 ? batch_parts - 1 - part : part);
  }
  Index sequences(Index part, Index below) const {  // how many there are of the part
    const Index rounds = below / batch_parts;
    return rounds + (sequence(part, rounds) < below ? 1 : 0);
  }
  Index apart() const { return leap * batch_parts; }  // from a sequence to the next but leap - 1

  void wait_for_group(int id) { of_group[part_of(id)].wait(static_cast<int>(group)); }
  void wait_for_units(int id) { of_units[part_of(id)].wait(static_cast<int>(unit_parts)); }

  // Call body(k, b) for the rows of steps k0 .. k1 that fall to this thread, or to all who share the sequences with it.
  template <class Body>
  void each_row_of_share(int id, Index k0, Index k1, bool of_all, Body body) const {
    Index turn = 0;
    for (Index k = k0; k < k1; ++k)
      for (Index j = 0, b; (b = sequence(part_of(id), j)) < count(k); ++j)
        if (turn++ % group == member_of(id) || of_all) body(k, b);
  }

  Index unit_count(Index member) const { return unit_bound(member + 1) - unit_bound(member); }
  Index unit_bound(Index member) const {
    const Index panels = even_panels(job.hidden, unit_parts), g = group_begin(panels, unit_parts, member);
    return g == panels ? job.hidden : make_panel<T>(job.hidden, panels, g).unit;
  }

  // As many panels for one part as for another, so that no thread waits.
  static Index even_panels(Index width, Index parts) {
    return min(groups(panels_for<T>(width), parts) * parts, groups(width, lanes<T>));
  }

  // Call body(j, rows, origin) for each run of neighbouring sequences of the part whose states have one origin; where
  // they do not all stand an equal way apart, for every second of them, and then for the others.
  template <class Body>
  void each_run(Index k, Index part, Body body) const {
    const Index old = sequences(part, carried(k)), total = sequences(part, count(k));
    for (Index j = 0, end; j < total; j = end) {
      const Origin from = origin(k, sequence(part, j));
      end = j < old ? old : total;
      if (job.resets)
        for (end = j + 1; end < total && origin(k, sequence(part, end)) == from;) ++end;
      for (Index first = j; first < j + leap && first < end; ++first) body(first, groups(end - first, leap), from);
    }
  }
};

}  // namespace
}  // namespace carousel::ISA
