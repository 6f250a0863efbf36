// The team: everybody comes once, on a thread of its own; then the same on OpenMP's threads, as beside torch.

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <dlfcn.h>
#endif

#include "check.hpp"
#include "linear_cell.hpp"
#include "tests.hpp"
#include "threads.hpp"

namespace carousel::tests {

namespace {

void check_team(int wanted) {
  std::vector<std::atomic<int>> calls(static_cast<std::size_t>(wanted));
  std::vector<std::thread::id> threads(static_cast<std::size_t>(wanted));
  std::atomic<int> size{0}, strangers{0};
  run_team(wanted, [&](int id, int team) {
    if (id < 0 || id >= wanted) {
      ++strangers;
      return;
    }
    ++calls[static_cast<std::size_t>(id)];
    threads[static_cast<std::size_t>(id)] = std::this_thread::get_id();
    size = team;
  });
  CHECK(size >= 1 && size <= wanted && strangers == 0, "a team of %d when %d were wanted", size.load(), wanted);
  for (int id = 0; id < wanted; ++id) {
    const int expected = id < size ? 1 : 0;
    CHECK(calls[static_cast<std::size_t>(id)] == expected, "%d wanted: member %d was called %d times", wanted, id,
          calls[static_cast<std::size_t>(id)].load());
  }
  const std::set<std::thread::id> different(threads.begin(), threads.begin() + size);
  CHECK(static_cast<int>(different.size()) == size, "%d members on %zu threads", size.load(), different.size());
  CHECK(threads[0] == std::this_thread::get_id(), "%s", "member 0 is not the caller's thread");
}

// Inside a team a second one may be smaller than asked for: the walk must notice, not wait for those who never come.
void check_nested_walk() {
  const LinearCell<double> cell(40, 1, 8, 260, false, false, true);
  const LinearResult<double> expected = by_kernels(cell, 1);
  std::vector<LinearResult<double>> came(2);
  run_team(2, [&](int id, int) { came[static_cast<std::size_t>(id)] = by_kernels(cell, 2); });
  CHECK(came[0].output == expected.output, "%s", "a walk inside a team gave something else");
}

void check_teams() {
  for (int wanted : {1, 2, 3, 8}) check_team(wanted);
  for (int round = 0; round < 200; ++round) check_team(2);
  check_nested_walk();
}

}  // namespace

void threads() {
  CHECK(!std::strcmp(team_kind(), "own"), "without OpenMP in the process the team is '%s'", team_kind());
  check_teams();
#if defined(__unix__) && !defined(__SANITIZE_THREAD__)  // that sanitizer does not know how OpenMP's threads meet
  if (dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL)) {
    CHECK(!std::strcmp(team_kind(), "openmp"), "with OpenMP in the process the team is '%s'", team_kind());
    check_teams();
  }
#endif
}

}  // namespace carousel::tests
