#include "engine.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include "dispatch.hpp"
#include "threads.hpp"

namespace carousel {

namespace {

// Memory for packed weights and deltas, kept between calls: fresh pages cost more than the packing itself.
class Memory {
 public:
  explicit Memory(std::size_t bytes) {
    {
      const std::lock_guard<std::mutex> guard(lock());
      auto fits = std::find_if(idle().begin(), idle().end(), [&](const Memory& m) { return m.bytes_ >= bytes; });
      if (fits != idle().end()) {
        swap(*fits);
        idle().erase(fits);
        return;
      }
    }
    bytes_ = (bytes + page - 1) / page * page;
    data_ = static_cast<char*>(std::aligned_alloc(page, bytes_));
    if (!data_) throw std::bad_alloc();
  }
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory() { std::free(data_); }

  char* data() const { return data_; }

  // Keep it for the next call, unless enough lies idle already: the largest stay.
  static void keep(Memory memory) {
    const std::lock_guard<std::mutex> guard(lock());
    idle().push_back(std::move(memory));
    std::sort(idle().begin(), idle().end(), [](const Memory& a, const Memory& b) { return a.bytes_ < b.bytes_; });
    if (idle().size() > most_idle) idle().erase(idle().begin());
  }

 private:
  static constexpr std::size_t page = 4096, most_idle = 4;
  static std::mutex& lock() {
    static std::mutex instance;
    return instance;
  }
  static std::vector<Memory>& idle() {  // smallest first
    static std::vector<Memory> instance;
    return instance;
  }
  void swap(Memory& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Multiply-adds of the whole job below which one thread is faster than waking a second.
constexpr double worth_a_thread = 2e6;

template <class T>
int useful_threads(const Job<T>& job, int wanted) {
  const double rows = static_cast<double>(job.steps.first[job.steps.count - 1] + job.steps.rows[job.steps.count - 1]);
  const double work = rows * job.program->blocks * job.hidden * (job.inputs + job.hidden);
  const int threads = static_cast<int>(std::min<double>(wanted, 1 + work / worth_a_thread));
  const int parts = static_cast<int>(std::min<Index>(threads, job.batch));
  return threads / parts * parts;  // the same number of threads for every part of the batch
}

template <class T>
void run(const Walk<T>& walk, Job<T> job, int wanted) {
  const int threads = useful_threads(job, wanted);
  auto walk_with = [&](int team) {
    job.threads = team;
    Memory memory(walk.prepare(job, nullptr));
    walk.prepare(job, memory.data());
    int granted = team;
    run_team(team, [&](int id, int size) {
      if (size == team)
        walk.work(memory.data(), id);
      else if (id == 0)
        granted = size;
    });
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

template <class T>
void run_forward(Job<T> job, int wanted) {
  run(precision<T>(chosen()).forward, job, wanted);
}

template <class T>
void run_backward(Job<T> job, int wanted) {
  run(precision<T>(chosen()).backward, job, wanted);
}

template const CellKernels<float>* find_cell<float>(const Kernels&, const std::string&);
template const CellKernels<double>* find_cell<double>(const Kernels&, const std::string&);
template void run_forward<float>(Job<float>, int);
template void run_forward<double>(Job<double>, int);
template void run_backward<float>(Job<float>, int);
template void run_backward<double>(Job<double>, int);

}  // namespace carousel
