// A spinning barrier for the few threads of one call: a time step is too short to sleep in.
// Built on compiler builtins alone: an inline function of the standard library, compiled for AVX-512 here, could be
// the copy that the linker keeps for machines without it.
#pragma once

namespace carousel::ISA {
namespace {

#if defined(__unix__) || defined(__APPLE__)
extern "C" int sched_yield(void);
#endif

inline void relax(unsigned spins) {
  if (spins < 4096) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  } else {
    sched_yield();  // the machine is busy: let the thread that is waited for run
  }
}

struct alignas(64) Barrier {
  int waiting;
  alignas(64) unsigned generation;  // it may wrap

  void reset() {
    waiting = 0;
    generation = 0;
  }

  void wait(int members) {
    if (members == 1) return;
    const unsigned mine = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&waiting, 1, __ATOMIC_ACQ_REL) == members) {
      __atomic_store_n(&waiting, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&generation, mine + 1, __ATOMIC_RELEASE);
      return;
    }
    for (unsigned spins = 0; __atomic_load_n(&generation, __ATOMIC_ACQUIRE) == mine; ++spins) relax(spins);
  }
};

}  // namespace
}  // namespace carousel::ISA
