// Products in bfloat16, summed in float32: two neighbouring depths share a lane.
//
// One instruction multiplies and adds both where the machine has it; elsewhere the pair is taken apart and the rounded
// numbers are multiplied in float32, which gives the same products in another order of sums. Where it multiplies
// whole tiles of pairs (amx.hpp), rows of pairs are filled up to whole tiles.
#pragma once

#include "vector.hpp"

namespace carousel::ISA {
namespace {

// Numbers of depths 2 k and 2 k + 1; the first is the low half.
struct Pair {
  std::uint32_t bits;
};

template <>
struct VectorOf<Pair> {
  typedef std::uint32_t type __attribute__((vector_size(CAROUSEL_VECTOR_BYTES)));
};

inline Vector<Pair> splat(Pair value) { return Vector<Pair>{} + value.bits; }

inline void store_part(Pair* to, Vector<Pair> v, Index count) {
  store_part(reinterpret_cast<float*>(to), (Vector<float>)v, count);
}

// What one lane of a panel holds: one number of each column, unless it holds a pair of them. A tile has up to
// `tile_rows` rows. It reads its left-hand rows and its depths in whole steps: rows behind the last are read but not
// used, depths behind the last are zero.
template <class U>
struct Lane {
  using Number = U;
  static constexpr Index depths = 1;
  static constexpr Index tile_rows = 6, row_step = 1, depth_step = 1;

  static Vector<U> multiply_add(Vector<U> sum, Vector<U> left, Vector<U> right) { return sum + left * right; }

  // `count` columns from column `at` on of the row at rows[0]
  static Vector<U> gather(const U* const* rows, Index at, Index count) { return load_some(rows[0] + at, count); }

  // `count` neighbours of a row, at most a vector of lanes; zero behind them
  static Vector<U> row(const U* from, Index count) { return load_some(from, count); }

  // a row of numbers as a row of lanes: in its place, or else in `scratch`
  static const U* along(const U* row, [[maybe_unused]] Index depth, [[maybe_unused]] U* scratch) { return row; }
};

template <class U>
using Number = typename Lane<U>::Number;

// So many numbers as lanes, in whole steps of depth.
template <class U>
constexpr Index deep(Index numbers) {
  constexpr Index step = Lane<U>::depths * Lane<U>::depth_step;
  return (numbers + step - 1) / step * Lane<U>::depth_step;
}

// So many left-hand rows, in whole steps of rows.
template <class U>
constexpr Index tall(Index rows) {
  return (rows + Lane<U>::row_step - 1) / Lane<U>::row_step * Lane<U>::row_step;
}

// The nearest bfloat16 of each number, ties to even, in the low half; NaN stays NaN.
inline Vector<Pair> rounded(Vector<float> x) {
  const Vector<Pair> bits = (Vector<Pair>)x;
  const Vector<Pair> nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return x == x ? nearest : (bits >> 16) | 0x40u;
}

template <>
struct Lane<Pair> {
  using Number = float;
  static constexpr Index depths = 2;
#if defined(CAROUSEL_AMX)
  static constexpr Index tile_rows = 32, row_step = 16, depth_step = 16;
#else
  static constexpr Index tile_rows = 6, row_step = 1, depth_step = 1;
#endif

  static Vector<float> multiply_add(Vector<float> sum, Vector<Pair> left, Vector<Pair> right) {
#if defined(CAROUSEL_BFLOAT16)
    return (Vector<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)left, (__m512bh)right);
#else
    sum += (Vector<float>)(left << 16) * (Vector<float>)(right << 16);
    return sum + (Vector<float>)(left & 0xffff0000u) * (Vector<float>)(right & 0xffff0000u);
#endif
  }

  // of the rows at rows[0] and rows[1]; a null row is zero
  static Vector<Pair> gather(const float* const* rows, Index at, Index count) {
    const Vector<float> low = rows[0] ? load_some(rows[0] + at, count) : Vector<float>{};
    const Vector<float> high = rows[1] ? load_some(rows[1] + at, count) : Vector<float>{};
#if defined(CAROUSEL_BFLOAT16)
    const Vector<Pair> order = 0x100000u + 0x10001u * Vector<Pair>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return (Vector<Pair>)_mm512_permutexvar_epi16((__m512i)order, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
#else
    return rounded(low) | (rounded(high) << 16);
#endif
  }

  static Vector<Pair> row(const float* from, Index count) {
    Pair some[lanes<Pair>] = {};
    along(from, count, some);
    return load(some);
  }

  static const Pair* along(const float* row, Index depth, Pair* scratch) {
#if defined(CAROUSEL_AMX)
    for (Index k = 0; k < depth; k += 2 * lanes<float>) {
      const Index count = depth - k < lanes<float> ? depth - k : lanes<float>;
      const Index more = depth - k - count < lanes<float> ? depth - k - count : lanes<float>;
      const Vector<float> first = load_some(row + k, count), second = load_some(row + k + count, more);
      store(scratch + k / 2, (Vector<Pair>)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
    }
#else
    typedef std::uint16_t Half __attribute__((vector_size(CAROUSEL_VECTOR_BYTES / 2)));
    char* to = reinterpret_cast<char*>(scratch);
    for (Index k = 0; k < depth; k += lanes<float>, to += sizeof(Half)) {
      const Index count = depth - k < lanes<float> ? depth - k : lanes<float>;
#if defined(CAROUSEL_BFLOAT16)
      const Half half = (Half)_mm512_cvtneps_pbh((__m512)load_some(row + k, count));
#else
      const Half half = __builtin_convertvector(rounded(load_some(row + k, count)), Half);
#endif
      __builtin_memcpy(to, &half, sizeof(Pair) * ((count + 1) / 2));
    }
#endif
    return scratch;
  }
};

}  // namespace
}  // namespace carousel::ISA
