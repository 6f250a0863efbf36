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
                int threads, double precision) {
  double scale = 1;
  for (T value : expected) scale = std::max(scale, std::fabs(static_cast<double>(value)));
  const double bound = precision * scale;
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
constexpr double exact = 200 * std::numeric_limits<T>::epsilon();
constexpr double rounded = 0.02;  // to bfloat16, whose epsilon is 1/128

template <class T>
void check_walk(const LinearCell<T>& cell, const LinearResult<T>& expected, int threads,
                Products products = Products::exact) {
  const LinearResult<T> came = by_kernels(cell, threads, products);
  const double precision = products == Products::exact ? exact<T> : rounded;
  auto check = [&](const char* name, std::vector<T> LinearResult<T>::*part) {
    check_near(name, came.*part, expected.*part, cell, threads, precision);
  };
  check("output", &LinearResult<T>::output);
  check("final state", &LinearResult<T>::final);
  if (!cell.keeps_tape) return;
  check("gradient of x", &LinearResult<T>::x);
  check("gradient of h0", &LinearResult<T>::h0);
  check("gradient of weight_ih", &LinearResult<T>::weight_ih);
  check("gradient of weight_hh", &LinearResult<T>::weight_hh);
  check("gradient of bias", &LinearResult<T>::bias);
}

template <class T>
void check_steps(const LinearCell<T>& cell, const LinearResult<T>& expected, int threads) {
  const LinearResult<T> came = by_steps(cell, threads);
  check_near("output of a step", came.output, expected.output, cell, threads, exact<T>);
  check_near("state after the last step", came.final, expected.final, cell, threads, exact<T>);
}

// Every way of one problem, in these numbers.
template <class T>
void check_ways(LinearCell<T> cell) {
  const bool is_plain = !cell.reverse && cell.rows.front() == cell.rows.back() && !cell.keeps_tape;
  const LinearResult<T> expected = by_hand(cell);
  for (int threads : {1, 2, 3}) check_walk(cell, expected, threads);
  if (sizeof(T) == 4) check_walk(cell, expected, 2, Products::bfloat16);
  if (is_plain) check_steps(cell, expected, 2);
  cell.reset_some();
  check_walk(cell, by_hand(cell), 2);
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
        for (bool tape : {false, true}) {
          check_ways(LinearCell<float>(s.time, s.batch, s.inputs, s.hidden, reverse, ragged, tape));
          check_ways(LinearCell<double>(s.time, s.batch, s.inputs, s.hidden, reverse, ragged, tape));
        }
#if defined(__x86_64__) || defined(__aarch64__)
  check_fading<float>();
  check_fading<double>();
#endif
}

}  // namespace carousel::tests
