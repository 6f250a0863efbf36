// The steps of one call: in which order they are computed, which sequences each has, and where its rows stand.
#pragma once

#include "../job.hpp"

namespace carousel::ISA {
namespace {

// Where the state before a step comes from: the step before, the caller, or a reset.
enum class Origin { carried, initial, zero };

// k counts steps in the order of computation, t in the order of the sequence.
template <class T>
struct StepOrder {
  Job<T> job;

  explicit StepOrder(const Job<T>& task) : job(task) {}

  static Index min(Index a, Index b) { return a < b ? a : b; }

  Index time(Index k) const { return job.reverse ? job.steps.count - 1 - k : k; }
  Index count(Index k) const { return job.steps.rows[time(k)]; }
  // sequences of step k that continue from step k - 1; the others start from their initial state
  Index carried(Index k) const { return k == 0 ? 0 : min(count(k), count(k - 1)); }
  // sequences of step k that step k + 1 does not continue: their state is final
  Index continued(Index k) const { return k + 1 == job.steps.count ? 0 : min(count(k + 1), count(k)); }

  Index row_count() const { return job.steps.first[job.steps.count - 1] + job.steps.rows[job.steps.count - 1]; }
  Index packed_row(Index k, Index b) const { return job.steps.first[time(k)] + b; }
  const T* input_at(Index k, Index b) const {
    return job.x + job.steps.input_offset[time(k)] + b * job.steps.input_stride;
  }

  // what the state before step k is for this sequence
  Origin origin(Index k, Index b) const {
    if (job.resets && job.resets[packed_row(k, b)]) return Origin::zero;
    return b < carried(k) ? Origin::carried : Origin::initial;
  }
};

}  // namespace
}  // namespace carousel::ISA
