// The most multiply-adds this instruction set can do: chains that never leave the registers.
#pragma once

#include "matmul.hpp"

namespace carousel::ISA {
namespace {

// Independent sums: enough to hide the latency of every multiply-add unit (two units, up to five cycles), few enough
// to leave registers for the two factors.
constexpr int chains = 12;

template <class U>
constexpr double flops_per_round = 2.0 * Lane<U>::depths * chains * lanes<U>;

#if defined(CAROUSEL_AMX)
template <>
constexpr double flops_per_round<Pair> = 2.0 * 4 * 16 * 16 * 32;  // four tiles of sums
#endif

// Each sum goes to 1, so that no round meets a denormal or an infinity. The result depends on all of them.
template <class T>
Number<T> multiply_add(Index rounds) {
  const volatile T half = T(0.5);  // hidden from the compiler, which could otherwise work the sums out
  const Vector<T> factor = splat<T>(half), addend = splat<T>(half);
  Vector<T> sum[chains];
#pragma GCC unroll 12
  for (int chain = 0; chain < chains; ++chain) sum[chain] = splat<T>(T(1) / T(chain + 1));
  for (Index round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int chain = 0; chain < chains; ++chain) sum[chain] = sum[chain] * factor + addend;
  }
  for (int chain = 1; chain < chains; ++chain) sum[0] += sum[chain];
  return sum[0][0];
}

// The same for pairs, whose product is 0.5 * 0.5 - 0.5 * 0.5, so that no sum grows.
template <>
[[maybe_unused]] float multiply_add<Pair>(Index rounds) {
  const volatile std::uint32_t halves = 0x3f003f00u, opposite = 0xbf003f00u;
#if defined(CAROUSEL_AMX)
  const TileRegisters<Pair> registers;
  Vector<Pair> left[16], right[16];
  for (int row = 0; row < 16; ++row) {
    left[row] = splat(Pair{halves});
    right[row] = splat(Pair{opposite});
  }
  return turn_tiles(rounds, left, right);
#else
  const Vector<Pair> left = splat(Pair{halves}), right = splat(Pair{opposite});
  Vector<float> sum[chains];
#pragma GCC unroll 12
  for (int chain = 0; chain < chains; ++chain) sum[chain] = splat<float>(1.f / static_cast<float>(chain + 1));
  for (Index round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int chain = 0; chain < chains; ++chain) sum[chain] = Lane<Pair>::multiply_add(sum[chain], left, right);
  }
  for (int chain = 1; chain < chains; ++chain) sum[0] += sum[chain];
  return sum[0][0];
#endif
}

}  // namespace
}  // namespace carousel::ISA
