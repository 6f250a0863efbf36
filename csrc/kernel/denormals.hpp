// While a walk runs, numbers too small to be normal count as zero: arithmetic on them is up to a hundred times slower.
#pragma once

namespace carousel::ISA {
namespace {

struct FlushDenormals {
#if defined(__x86_64__)
  unsigned before;
  FlushDenormals() : before(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before | 0x8040); }
  ~FlushDenormals() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
  unsigned long before;
  FlushDenormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (1ul << 24)));
  }
  ~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};

}  // namespace
}  // namespace carousel::ISA
