#include "peak.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "dispatch.hpp"
#include "threads.hpp"

namespace carousel {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr Index rounds_per_slice = 100'000;  // a fraction of a millisecond: short beside the scheduler's slices

// The best slice is the peak: whatever else the machine does can only slow a slice down. The first tenth does not
// count, for then the rest of the team is still waking, and one core alone may run at a higher clock.
template <class T>
double best_slice(const MultiplyAdd<T>& loop, double seconds) {
  const Clock::time_point start = Clock::now();
  double shortest = seconds;
  volatile T sink = 0;
  for (double begin = 0, end; begin < seconds; begin = end) {
    sink = loop.run(rounds_per_slice);
    end = seconds_since(start);
    if (begin >= seconds / 10) shortest = std::min(shortest, end - begin);
  }
  (void)sink;
  return loop.flops_per_round * rounds_per_slice / shortest;
}

template <class T>
double peak(int threads, double seconds, Products products = Products::exact) {
  const MultiplyAdd<T>& loop = precision<T>(chosen(), products).multiply_add;
  std::vector<double> speed(static_cast<std::size_t>(std::max(threads, 1)), 0.0);
  run_team(threads, [&](int id, int) { speed[static_cast<std::size_t>(id)] = best_slice(loop, seconds); });
  return std::accumulate(speed.begin(), speed.end(), 0.0);
}

}  // namespace

double multiply_add_peak(const std::string& numbers, int threads, double seconds) {
  if (numbers == "float64") return peak<double>(threads, seconds);
  return peak<float>(threads, seconds, numbers == "bfloat16" ? Products::bfloat16 : Products::exact);
}

}  // namespace carousel
