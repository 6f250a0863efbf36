// The time loop, forward and backward, around a linear cell: every output and every gradient against plain loops.

#include <cmath>
#include <limits>

#include "check.hpp"
#include "linear_cell.hpp"
#include "tests.hpp"

namespace carousel::tests {

namespace {

template <class T>
void check_near(const char* name, const std::vector<T>& came, const std::vector<T>& expected, const LinearCell<T>& cell,
                int threads) {
  double scale = 1;
  for (T value : expected) scale = std::max(scale, std::fabs(static_cast<double>(value)));
  const double bound = 200 * std::numeric_limits<T>::epsilon() * scale;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = std::fabs(static_cast<double>(came[i]) - static_cast<double>(expected[i]));
    if (!(error <= bound)) {  // a NaN is not near anything
      CHECK(error <= bound, "%s of %zu bytes, (T %td, B %td, I %td, H %td), %s, %d threads, element %zu: %g, not %g",
            name, sizeof(T), cell.time, cell.batch, cell.inputs, cell.hidden, cell.reverse ? "reverse" : "forward",
            threads, i, static_cast<double>(came[i]), static_cast<double>(expected[i]));
      return;
    }
  }
  CHECK(came.size() == expected.size(), "%s has %zu values", name, came.size());
}

template <class T>
void check_walk(const LinearCell<T>& cell, int threads) {
  const LinearResult<T> expected = by_hand(cell), came = by_kernels(cell, threads);
  check_near("output", came.output, expected.output, cell, threads);
  check_near("final state", came.final, expected.final, cell, threads);
  if (!cell.keeps_tape) return;
  check_near("gradient of x", came.x, expected.x, cell, threads);
  check_near("gradient of h0", came.h0, expected.h0, cell, threads);
  check_near("gradient of weight_ih", came.weight_ih, expected.weight_ih, cell, threads);
  check_near("gradient of weight_hh", came.weight_hh, expected.weight_hh, cell, threads);
  check_near("gradient of bias", came.bias, expected.bias, cell, threads);
}

struct Shape {
  Index time, batch, inputs, hidden;
};

// one step; one sequence; odd widths; more steps than a chunk; enough work for a team, by sequences and by units; weights
// so large that a team shares the sequences
constexpr Shape shapes[] = {{1, 1, 1, 1}, {5, 1, 3, 17}, {4, 3, 2, 5}, {7, 5, 9, 33}, {600, 1, 2, 3}, {30, 7, 40, 64},
                            {40, 1, 8, 260}, {40, 3, 16, 130}, {3, 3, 2, 650}};

// A state that fades goes to zero, not through the slow numbers below the normal range; the caller's mode is kept.
template <class T>
void check_fading() {
  const volatile T smallest = std::numeric_limits<T>::min(), half = T(0.5);
  LinearCell<T> cell(8, 1, 1, 1, false, false, true);
  cell.x.assign(cell.x.size(), 0);
  cell.bias_ih = cell.bias_hh = {T(0)};
  cell.h0 = {smallest * 4};
  const LinearResult<T> result = by_kernels(cell, 1);
  CHECK(result.output[1] == smallest && result.output[2] == 0, "halved from 4 times the smallest: %g, %g",
        static_cast<double>(result.output[1]), static_cast<double>(result.output[2]));
  const volatile T below = smallest * half;
  CHECK(below > 0, "the walk of %zu bytes left denormals flushed", sizeof(T));
}

}  // namespace

void walk() {
  for (const Shape& s : shapes)
    for (bool reverse : {false, true})
      for (bool ragged : {false, true})
        for (bool tape : {false, true})
          for (int threads : {1, 2, 3}) {
            check_walk(LinearCell<float>(s.time, s.batch, s.inputs, s.hidden, reverse, ragged, tape), threads);
            check_walk(LinearCell<double>(s.time, s.batch, s.inputs, s.hidden, reverse, ragged, tape), threads);
          }
#if defined(__x86_64__) || defined(__aarch64__)
  check_fading<float>();
  check_fading<double>();
#endif
}

}  // namespace carousel::tests
