#include "threads.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <dlfcn.h>
#include <pthread.h>
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

  static OpenMP found() {
    OpenMP runtime;
#if defined(__unix__)
    runtime.parallel = reinterpret_cast<decltype(runtime.parallel)>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    runtime.thread = reinterpret_cast<decltype(runtime.thread)>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
    runtime.threads = reinterpret_cast<decltype(runtime.threads)>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
#endif
    return runtime;
  }
  explicit operator bool() const { return parallel && thread && threads; }
};

// The members of a team do not come along when a process is forked, but the child's OpenMP would wait for them. Whether
// the parent had a team cannot be known, because torch may have started it: every child brings threads of its own.
std::atomic<bool> forked{false};

#if defined(__unix__)
[[maybe_unused]] const int watched = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

// looked up again until found: torch may be imported after this library; a copy, since another thread may just look
OpenMP openmp() {
  static std::mutex lock;
  static OpenMP runtime;
  const std::lock_guard<std::mutex> guard(lock);
  if (forked) return {};
  if (!runtime) runtime = OpenMP::found();
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

bool is_forked() { return forked; }

const char* team_kind() { return openmp() ? "openmp" : "own"; }

}  // namespace carousel
