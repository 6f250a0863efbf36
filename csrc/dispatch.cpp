#include "dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace carousel {

#if defined(__x86_64__)
namespace avx512_amx {
extern const Kernels kernels;
}
namespace avx512_bf16 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const Kernels kernels;
}
#endif
#if !defined(__aarch64__)
namespace baseline {
extern const Kernels kernels;
}
#endif

std::vector<const Kernels*> built() {
#if defined(__x86_64__)
  return {&avx512_amx::kernels, &avx512_bf16::kernels, &avx512::kernels, &avx2::kernels, &baseline::kernels};
#elif defined(__aarch64__)
  return {&neon::kernels};
#else
  return {&baseline::kernels};
#endif
}

#if defined(__x86_64__)
namespace {

// Tiles of bfloat16: the processor has them, and the operating system lets this process use them. Linux wants to be
// asked, once for all threads, because each of them then needs 8 KB more to be saved in.
bool asked_for_tiles() {
  unsigned a, b, c, d;
  constexpr unsigned bfloat16 = 1u << 22, tiles = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & bfloat16) || !(d & tiles)) return false;
#if defined(__linux__)
  constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, ask, tile_data) == 0;
#else
  return false;
#endif
}

bool has_tiles() {
  static const bool answer = asked_for_tiles();
  return answer;
}

}  // namespace
#endif

bool runs_here([[maybe_unused]] const Kernels& kernels) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  const bool has_bfloat16 = has_avx512 && __builtin_cpu_supports("avx512bf16");
  if (&kernels == &avx512_amx::kernels) return has_bfloat16 && has_tiles();
  if (&kernels == &avx512_bf16::kernels) return has_bfloat16;
  if (&kernels == &avx512::kernels) return has_avx512;
  if (&kernels == &avx2::kernels)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
  return true;
}

namespace {

std::string names() {
  std::string all;
  for (const Kernels* kernels : built())
    if (runs_here(*kernels)) all += (all.empty() ? "" : ", ") + std::string(kernels->name);
  return all;
}

const Kernels* find(const std::string& name) {
  for (const Kernels* kernels : built())
    if (name == kernels->name && runs_here(*kernels)) return kernels;
  throw std::runtime_error("The instruction set must be one that is built and that this machine has (" + names() +
                           "); CAROUSEL_ISA asks for '" + name + "'. Unset it, or name one of these.");
}

const Kernels* at_load() {
  if (const char* wish = std::getenv("CAROUSEL_ISA"); wish && *wish) return find(wish);
  for (const Kernels* kernels : built())
    if (runs_here(*kernels)) return kernels;
  return built().back();
}

std::atomic<const Kernels*> current{nullptr};

}  // namespace

const Kernels& chosen() {
  if (!current.load()) current.store(at_load());
  return *current.load();
}

void choose(const std::string& name) { current.store(find(name)); }

}  // namespace carousel
