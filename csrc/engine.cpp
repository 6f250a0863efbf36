#include "engine.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "dispatch.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace carousel {

namespace {

// Multiply-adds of the whole job below which one thread is faster than waking a second.
constexpr double worth_a_thread = 2e6;

template <class T>
Index rows_of(const Job<T>& job) {
  return job.steps.first[job.steps.count - 1] + job.steps.rows[job.steps.count - 1];
}

template <class T>
int useful_threads(const Job<T>& job, int wanted) {
  const double work = static_cast<double>(rows_of(job)) * job.program->blocks * job.hidden * (job.inputs + job.hidden);
  const int threads = static_cast<int>(std::min<double>(wanted, 1 + work / worth_a_thread));
  const int parts = static_cast<int>(std::min<Index>(threads, job.batch));
  return threads / parts * parts;  // the same number of threads for every part of the batch
}

template <class T>
void run(const Walk<T>& walk, Job<T> job, int wanted, Kept* kept = nullptr) {
  const int threads = useful_threads(job, wanted);
  auto walk_with = [&](int team) {
    job.threads = team;
    const Kept::Kind kind{&walk, kept ? walk.packing(job) : Packing{}};
    std::shared_ptr<Memory> weights = kept ? kept->find(kind) : nullptr;
    const bool is_packed = weights != nullptr;
    if (kept && !is_packed) weights = std::make_shared<Memory>(Memory::fresh(kind.packing.bytes));
    job.packed = weights ? weights->data() : nullptr;
    const auto work = is_packed ? walk.walk : walk.work;
    Memory memory(walk.prepare(job, nullptr));
    walk.prepare(job, memory.data());
    int granted = team;
    run_team(team, [&](int id, int size) {
      if (size == team)
        work(memory.data(), id);
      else if (id == 0)
        granted = size;
    });
    if (kept && !is_packed && granted == team) kept->keep(kind, std::move(weights));
    Memory::keep(std::move(memory));
    return granted;
  };
  // a runtime that grants fewer threads (nested regions, a limit) would leave the barriers waiting: walk with one
  if (walk_with(threads) != threads) walk_with(1);
}

// Users' cells; their libraries stay open as long as the process lives.
struct Loaded {
  const Kernels* kernels;
  const CellLibrary* library;
};
std::mutex loaded_lock;
std::vector<Loaded> loaded;

template <class T>
const CellKernels<T>* of(const CellLibrary& library) {
  if constexpr (sizeof(T) == 4)
    return library.f32;
  else
    return library.f64;
}

}  // namespace

template <class T>
const CellKernels<T>* find_cell(const Kernels& kernels, const std::string& key) {
  const Precision<T>& table = precision<T>(kernels);
  for (std::size_t i = 0; i < table.cell_count; ++i)
    if (key == table.cells[i].key) return &table.cells[i];
  const std::lock_guard<std::mutex> guard(loaded_lock);
  for (const Loaded& cell : loaded)
    if (cell.kernels == &kernels && key == cell.library->f32->key) return of<T>(*cell.library);
  return nullptr;
}

void load_cell(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const void* symbol = handle ? dlsym(handle, "carousel_cell") : nullptr;
  if (!symbol) throw std::runtime_error(dlerror());
  const std::lock_guard<std::mutex> guard(loaded_lock);
  loaded.push_back({&chosen(), static_cast<const CellLibrary*>(symbol)});
}

std::shared_ptr<Memory> Kept::find(const Kind& kind) {
  const std::lock_guard<std::mutex> guard(lock_);
  for (const auto& [known, weights] : packed_)
    if (known == kind) return weights;
  return nullptr;
}

void Kept::keep(const Kind& kind, std::shared_ptr<Memory> weights) {
  const std::lock_guard<std::mutex> guard(lock_);
  for (const auto& [known, other] : packed_)
    if (known == kind) return;  // another call was as quick
  packed_.emplace_back(kind, std::move(weights));
}

template <class T>
void run_forward(Job<T> job, int wanted, Products products, Kept* kept) {
  const std::size_t rows = static_cast<std::size_t>(rows_of(job)), hidden = static_cast<std::size_t>(job.hidden);
  prefer_large_pages(job.output, rows * hidden * sizeof(T));
  prefer_large_pages(job.tape, rows * static_cast<std::size_t>(job.program->slots) * hidden * sizeof(T));
  run(precision<T>(chosen(), products).forward, job, wanted, kept);
}

template <class T>
void run_backward(Job<T> job, int wanted, Products products) {
  prefer_large_pages(job.x_gradient, static_cast<std::size_t>(rows_of(job) * job.inputs) * sizeof(T));
  run(precision<T>(chosen(), products).backward, job, wanted);
}

template const CellKernels<float>* find_cell<float>(const Kernels&, const std::string&);
template const CellKernels<double>* find_cell<double>(const Kernels&, const std::string&);
template void run_forward<float>(Job<float>, int, Products, Kept*);
template void run_forward<double>(Job<double>, int, Products, Kept*);
template void run_backward<float>(Job<float>, int, Products);
template void run_backward<double>(Job<double>, int, Products);

}  // namespace carousel
