// Rows that several threads read and write at the same time (Hogwild: Niu et al. 2011).
//
// Threads do not wait for each other: a row may change between a load and the store that follows, and then one of the
// two updates is lost. That costs nothing that could be measured in the vectors, but plain C++ loads and stores would be a data race, which
// has no defined meaning, and relaxed atomics exist for single numbers only. So rows are reached through these two
// functions alone. They are one machine instruction each, written as assembly, about which the compiler assumes nothing
// but its operands; and the instruction sets here promise that no aligned 4-byte number in it is ever torn. Elsewhere
// they are relaxed atomics, number by number.
#pragma once

#include "../kernel/vector.hpp"
#include "job.hpp"

namespace carousel::ISA {
namespace {

inline Vector<float> fetch(const float* from) {
  Vector<float> v;
  [[maybe_unused]] const Vector<float>& memory = *reinterpret_cast<const Vector<float>*>(from);
#if defined(__x86_64__) && CAROUSEL_VECTOR_BYTES == 64
  __asm__("vmovaps %1, %0" : "=v"(v) : "m"(memory));
#elif defined(__x86_64__) && CAROUSEL_VECTOR_BYTES == 32
  __asm__("vmovaps %1, %0" : "=x"(v) : "m"(memory));
#elif defined(__x86_64__)
  __asm__("movaps %1, %0" : "=x"(v) : "m"(memory));
#elif defined(__aarch64__)
  __asm__("ldr %q0, %1" : "=w"(v) : "m"(memory));
#else
  for (Index lane = 0; lane < lanes<float>; ++lane) {
    float one;
    __atomic_load(from + lane, &one, __ATOMIC_RELAXED);
    v[lane] = one;
  }
#endif
  return v;
}

inline void put(float* to, Vector<float> v) {
  [[maybe_unused]] Vector<float>& memory = *reinterpret_cast<Vector<float>*>(to);
#if defined(__x86_64__) && CAROUSEL_VECTOR_BYTES == 64
  __asm__("vmovaps %1, %0" : "=m"(memory) : "v"(v));
#elif defined(__x86_64__) && CAROUSEL_VECTOR_BYTES == 32
  __asm__("vmovaps %1, %0" : "=m"(memory) : "x"(v));
#elif defined(__x86_64__)
  __asm__("movaps %1, %0" : "=m"(memory) : "x"(v));
#elif defined(__aarch64__)
  __asm__("str %q1, %0" : "=m"(memory) : "w"(v));
#else
  for (Index lane = 0; lane < lanes<float>; ++lane) {
    float one = v[lane];
    __atomic_store(to + lane, &one, __ATOMIC_RELAXED);
  }
#endif
}

// Both matrices are larger than the near caches: ask for a row one window ahead.
inline void prefetch_row(const float* row, Index stride) {
  for (Index at = 0; at < stride; at += embedding::row_floats) __builtin_prefetch(row + at, 1, 3);
}

}  // namespace
}  // namespace carousel::ISA
