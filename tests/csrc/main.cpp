// csrc_tests TEST [ISA]: run one test, on one instruction set where it has one; without arguments run everything.
// Exit code 0: all checks hold; 1: some do not; 2: no such test; 77: this machine lacks the instruction set.

#include <cstdio>
#include <cstring>

#include "check.hpp"
#include "dispatch.hpp"
#include "tests.hpp"

#if defined(__x86_64__)
#define EACH_ISA(X) X(avx512_amx) X(avx512_bf16) X(avx512) X(avx2) X(baseline)
#elif defined(__aarch64__)
#define EACH_ISA(X) X(neon)
#else
#define EACH_ISA(X) X(baseline)
#endif

// from test_kernels.cpp and test_embedding.cpp, compiled for each instruction set; each ends with a null name
#define DECLARE(isa)                                     \
  namespace carousel::isa {                              \
  extern const carousel::tests::Test tests[];            \
  extern const carousel::tests::Test embedding_tests[];  \
  }
EACH_ISA(DECLARE)

namespace carousel::tests {
namespace {

constexpr int skipped = 77;

bool wanted(const char* name, const char* wish) { return !wish || !std::strcmp(name, wish); }

// Runs the test, says what it found, and whether it was there at all.
bool run(const Test& test, const char* isa, const char* wish) {
  if (!wanted(test.name, wish)) return false;
  const Tally before = tally();
  test.run();
  const long made = tally().made - before.made, failed = tally().failed - before.failed;
  CHECK(made > 0, "%s checked nothing", test.name);
  std::printf("%-8s %-12s %ld checks, %ld failed\n", isa, test.name, made, failed);
  return true;
}

struct Suite {
  const char* isa;
  const Test *tests, *embedding_tests;
};
#define LIST(isa) {#isa, carousel::isa::tests, carousel::isa::embedding_tests},
constexpr Suite suites[] = {EACH_ISA(LIST)};

bool machine_has(const char* isa) {
  for (const Kernels* kernels : built())
    if (!std::strcmp(kernels->name, isa)) return runs_here(*kernels);
  return false;
}

int main(const char* wish, const char* isa) {
  bool found = !isa && run({"threads", threads}, "", wish);
  for (const Suite& suite : suites) {
    if (!wanted(suite.isa, isa)) continue;
    if (!machine_has(suite.isa)) {
      std::printf("%s: not on this machine\n", suite.isa);
      if (isa) return skipped;
      continue;
    }
    choose(suite.isa);
    for (const Test* list : {suite.tests, suite.embedding_tests})
      for (const Test* test = list; test->name; ++test) found |= run(*test, suite.isa, wish);
    found |= run({"walk", walk}, suite.isa, wish);
  }
  if (!found) {
    std::printf("There is no test '%s' for '%s'.\n", wish ? wish : "", isa ? isa : "");
    return 2;
  }
  return tally().failed ? 1 : 0;
}

}  // namespace
}  // namespace carousel::tests

int main(int count, char** arguments) {
  return carousel::tests::main(count > 1 ? arguments[1] : nullptr, count > 2 ? arguments[2] : nullptr);
}
