#include "losses.hpp"

#include <algorithm>

#include "dispatch.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace carousel {

namespace {

// Multiply-adds of the whole job below which one thread is faster than waking a second.
constexpr double worth_a_thread = 2e6;

}  // namespace

template <class T>
void run_cross_entropy(CrossEntropyJob<T> job, int wanted, Products products) {
  const CrossEntropyKernel<T>& kernel = precision<T>(chosen(), products).cross_entropy;
  const double multiply_adds = static_cast<double>(job.rows) * static_cast<double>(job.hidden * job.symbols);
  auto work_with = [&](int team) {
    job.threads = team;
    Memory memory(kernel.prepare(job, nullptr));
    kernel.prepare(job, memory.data());
    int granted = team;
    run_team(team, [&](int id, int size) {
      if (size == team)
        kernel.work(memory.data(), id);
      else if (id == 0)
        granted = size;
    });
    Memory::keep(std::move(memory));
    return granted;
  };
  const int threads = static_cast<int>(std::min<double>(std::max(wanted, 1), 1 + multiply_adds / worth_a_thread));
  // a runtime that grants fewer threads (nested regions, a limit) would leave the barriers waiting: work with one
  if (work_with(threads) != threads) work_with(1);
}

std::size_t cross_entropy_bytes(Index rows, Index hidden, Index symbols, int threads) {
  const float scale = 1;
  CrossEntropyJob<float> job{};
  job.rows = rows;
  job.hidden = hidden;
  job.symbols = symbols;
  job.scale = &scale;
  job.threads = threads;
  return precision<float>(chosen()).cross_entropy.prepare(job, nullptr);
}

template void run_cross_entropy<float>(CrossEntropyJob<float>, int, Products);
template void run_cross_entropy<double>(CrossEntropyJob<double>, int, Products);

}  // namespace carousel
