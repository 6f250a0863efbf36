#include "threads.hpp"

#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <dlfcn.h>
#endif

namespace carousel {

namespace {

// Torch keeps an OpenMP team whose idle members spin for a while after each parallel region. A second team would
// fight them for the cores, so this one is used where the process has one: through its C entry points, found at run
// time, because the extension links neither torch nor OpenMP.
struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
  int (*thread)() = nullptr;
  int (*threads)() = nullptr;

  OpenMP() {
#if defined(__unix__)
    parallel = reinterpret_cast<decltype(parallel)>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    thread = reinterpret_cast<decltype(thread)>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
    threads = reinterpret_cast<decltype(threads)>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
#endif
  }
  explicit operator bool() const { return parallel && thread && threads; }
};

// looked up again until found: torch may be imported after this library; a copy, since another thread may just look
OpenMP openmp() {
  static std::mutex lock;
  static OpenMP runtime;
  const std::lock_guard<std::mutex> guard(lock);
  if (!runtime) runtime = OpenMP();
  return runtime;
}

struct Call {
  const OpenMP* runtime;
  const std::function<void(int, int)>* body;
};

void enter(void* data) {
  const Call& call = *static_cast<Call*>(data);
  (*call.body)(call.runtime->thread(), call.runtime->threads());
}

}  // namespace

void run_team(int wanted, const std::function<void(int, int)>& body) {
  if (wanted <= 1) return body(0, 1);
  if (const OpenMP runtime = openmp()) {
    Call call{&runtime, &body};
    runtime.parallel(enter, &call, static_cast<unsigned>(wanted), 0);
    return;
  }
  std::vector<std::thread> team;
  for (int id = 1; id < wanted; ++id) team.emplace_back(body, id, wanted);
  body(0, wanted);
  for (std::thread& member : team) member.join();
}

const char* team_kind() { return openmp() ? "openmp" : "own"; }

}  // namespace carousel
