// Vectors of the instruction set at hand, through the compiler's vector extensions.
// CAROUSEL_VECTOR_BYTES, their width, and ISA, their namespace, come from the file of the instruction set (csrc/isa).
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "../job.hpp"

namespace carousel::ISA {
namespace {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(CAROUSEL_VECTOR_BYTES)));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
constexpr Index lanes = CAROUSEL_VECTOR_BYTES / sizeof(T);

template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
  using type = std::int32_t;
};
template <>
struct IntegerOf<double> {
  using type = std::int64_t;
};
template <class T>
using IntegerVector = typename VectorOf<typename IntegerOf<T>::type>::type;

template <class T>
inline Vector<T> splat(T value) {
  return value - Vector<T>{};  // x - 0 is x, where x + 0 would be an addition in every product (-0 + 0 = 0)
}

template <class T>
inline Vector<T> load(const T* from) {
  Vector<T> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class T>
inline void store(T* to, Vector<T> v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// The last units of a row, fewer than a vector: lanes beyond `count` read as zero and are not written.
#if defined(__AVX512F__)
inline Vector<float> load_part(const float* from, Index count) {
  return (Vector<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
}
inline Vector<double> load_part(const double* from, Index count) {
  return (Vector<double>)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
}
inline void store_part(float* to, Vector<float> v, Index count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), (__m512)v);
}
inline void store_part(double* to, Vector<double> v, Index count) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), (__m512d)v);
}
#else
template <class T>
inline Vector<T> load_part(const T* from, Index count) {
  Vector<T> v{};
  for (Index lane = 0; lane < count; ++lane) v[lane] = from[lane];
  return v;
}

template <class T>
inline void store_part(T* to, Vector<T> v, Index count) {
  for (Index lane = 0; lane < count; ++lane) to[lane] = v[lane];
}
#endif

template <class T>
inline Vector<T> load_some(const T* from, Index count) {
  return count == lanes<T> ? load(from) : load_part(from, count);
}

// A square of lanes, mirrored: in as many rounds of interleaving two halves as its side has bits.
template <class T>
inline void transpose(Vector<T> (&square)[lanes<T>]) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (Index side = 1; side < lanes<T>; side *= 2) {
      Vector<T> mixed[lanes<T>];
#pragma GCC unroll 8
      for (Index i = 0; i < lanes<T> / 2; ++i) {
        const __m512i a = (__m512i)square[i], b = (__m512i)square[i + lanes<T> / 2];
        mixed[2 * i] = (Vector<T>)_mm512_permutex2var_epi32(a, low, b);
        mixed[2 * i + 1] = (Vector<T>)_mm512_permutex2var_epi32(a, high, b);
      }
#pragma GCC unroll 16
      for (Index i = 0; i < lanes<T>; ++i) square[i] = mixed[i];
    }
    return;
  }
#endif
  for (Index i = 0; i < lanes<T>; ++i)
    for (Index j = 0; j < i; ++j) {
      const auto kept = square[i][j];
      square[i][j] = square[j][i];
      square[j][i] = kept;
    }
}

// A place in the sweep over rows and units: whole vectors, or the part that is left at the end of a row.
template <class T>
struct Whole {
  Index row, unit;
  Vector<T> load(const Rows<T>& a) const { return ISA::load(a.data + row * a.stride + unit); }
  void store(const Rows<T>& a, Vector<T> v) const { ISA::store(a.data + row * a.stride + unit, v); }
  Vector<T> inside(Vector<T> v) const { return v; }
};

template <class T>
struct Part {
  Index row, unit, count;
  Vector<T> load(const Rows<T>& a) const { return load_part(a.data + row * a.stride + unit, count); }
  void store(const Rows<T>& a, Vector<T> v) const { store_part(a.data + row * a.stride + unit, v, count); }
  Vector<T> inside(Vector<T> v) const {  // zero beyond the row
    for (Index lane = count; lane < lanes<T>; ++lane) v[lane] = T(0);
    return v;
  }
};

template <class T, class Body>
inline void sweep_row(Index row, Index width, Body body) {
  const Index whole = width - width % lanes<T>;
  for (Index unit = 0; unit < whole; unit += lanes<T>) body(Whole<T>{row, unit});
  if (whole < width) body(Part<T>{row, whole, width - whole});
}

template <class T, class Body>
inline void sweep(Index rows, Index width, Body body) {
  for (Index row = 0; row < rows; ++row) sweep_row<T>(row, width, body);
}

template <class T>
inline T total(Vector<T> v) {
  T sum = v[0];
  for (Index lane = 1; lane < lanes<T>; ++lane) sum += v[lane];
  return sum;
}

}  // namespace
}  // namespace carousel::ISA
