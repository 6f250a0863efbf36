// Elementwise functions on vectors, accurate to a few ulp; infinities and NaN as in torch.
// exp: x = n ln 2 + r with |r| <= ln(2)/2, exp(x) = 2^n exp(r), exp(r) = 1 + r + r^2 (a polynomial, by Horner).
#pragma once

#include "vector.hpp"

namespace carousel::ISA {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float lowest = -104.f, highest = 89.f;  // beyond: 0 and infinity
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  static constexpr std::int32_t mantissa_bits = 23, bias = 127;
  // of its degree the nearest to (exp(r) - 1 - r) / r^2 in terms of exp(r) - 1: off by at most 1.7e-8 of it
  static constexpr float series[] = {0.49999997f, 0.166665435f, 0.0416672006f, 0.00836651772f, 0.00138825225f};
};

template <>
struct ExpConstants<double> {
  static constexpr double lowest = -746., highest = 710.;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double magic = 6755399441055744.;  // 1.5 * 2^52
  static constexpr std::int64_t mantissa_bits = 52, bias = 1023;
  static constexpr double series[] = {1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880,
                                      1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};  // Taylor's
};

#if defined(__AVX512F__)
constexpr __mmask16 every = 0xffff;  // GCC 12 warns of its own header where an intrinsic has no mask
#endif

// x clamped to the range of exp; NaN stays NaN because every comparison with it is false.
template <class T>
inline Vector<T> clamp(Vector<T> x, T low, T high) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)  // one instruction each, which gives its second operand where there is a NaN
    return (Vector<T>)_mm512_maskz_min_ps(every, (__m512)splat<T>(high),
                                          _mm512_maskz_max_ps(every, (__m512)splat<T>(low), (__m512)x));
#endif
  x = x < low ? splat<T>(low) : x;
  return x > high ? splat<T>(high) : x;
}

// 1 / b for a normal b whose reciprocal is normal too. A division takes both multiply-add units' time of some twenty
// products; from an estimate of 14 bits, one step of Newton's gets there but for a tenth of an ulp.
template <class T>
inline Vector<T> reciprocal(Vector<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const Vector<T> near = (Vector<T>)_mm512_maskz_rcp14_ps(every, (__m512)b);
    return near + near * (T(1) - b * near);
  }
#endif
  return T(1) / b;
}

// a / b for such a b, nearly rounded.
template <class T>
inline Vector<T> quotient(Vector<T> a, Vector<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const Vector<T> inverse = reciprocal<T>(b), near = a * inverse;
    return near + inverse * (a - b * near);
  }
#endif
  return a / b;
}

// The nearest integer, for numbers much smaller than the mantissa is long.
template <class T>
inline Vector<T> nearest(Vector<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (Vector<T>)_mm512_maskz_roundscale_ps(every, (__m512)x, 0);
#endif
  return (x + ExpConstants<T>::magic) - ExpConstants<T>::magic;
}

// x 2^n for a whole n; 2^n is a normal number
template <class T>
inline Vector<T> scaled(Vector<T> x, Vector<T> n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (Vector<T>)_mm512_maskz_scalef_ps(every, (__m512)x, (__m512)n);
#endif
  using C = ExpConstants<T>;
  const IntegerVector<T> bits = (IntegerVector<T>)(n + C::magic) - (IntegerVector<T>)splat<T>(C::magic);  // n
  return x * (Vector<T>)((bits + C::bias) << C::mantissa_bits);
}

// exp(x) = 2^n (1 + expm1_r)
template <class T>
struct Reduced {
  Vector<T> expm1_r, n;
};

template <class T>
inline Reduced<T> reduce(Vector<T> x) {
  using C = ExpConstants<T>;
  constexpr int terms = sizeof C::series / sizeof(T);
  const Vector<T> n = nearest<T>(x * T(1.4426950408889634));
  const Vector<T> r = (x - n * C::ln2_high) - n * C::ln2_low;
  Vector<T> q = splat<T>(C::series[terms - 1]);
#pragma GCC unroll 16
  for (int k = terms - 2; k >= 0; --k) q = q * r + C::series[k];
  return {q * (r * r) + r, n};
}

template <class T>
inline Vector<T> exp(Vector<T> x) {
  const Reduced<T> e = reduce<T>(clamp<T>(x, ExpConstants<T>::lowest, ExpConstants<T>::highest));
  const Vector<T> half = nearest<T>(e.n * T(0.5));  // in two steps, so that neither overflows before the product does
  return scaled<T>(scaled<T>(e.expm1_r + T(1), half), e.n - half);
}

// exp(x) - 1 without cancellation near 0; x must not exceed what 2^n can hold
template <class T>
inline Vector<T> expm1_in_range(Vector<T> x) {
  const Reduced<T> e = reduce<T>(x);
  const Vector<T> scale = scaled<T>(splat<T>(T(1)), e.n);
  return e.expm1_r * scale + (scale - T(1));
}

template <class T>
constexpr T saturation = sizeof(T) == 4 ? T(87) : T(708);  // 2^n stays a normal number

// Below the normal range it is 0, as in torch far enough down.
template <class T>
inline Vector<T> sigmoid(Vector<T> x) {
  const Reduced<T> e = reduce<T>(-clamp<T>(x, -saturation<T>, saturation<T>));
  const Vector<T> y = reciprocal<T>(T(1) + scaled<T>(e.expm1_r + T(1), e.n));
  return x < -saturation<T> ? Vector<T>{} : y;
}

template <class T>
inline Vector<T> tanh(Vector<T> x) {
  const T bound = sizeof(T) == 4 ? T(10) : T(20);  // tanh rounds to 1 beyond
  const Vector<T> e = expm1_in_range<T>(clamp<T>(x, -bound, bound) * T(2));
  return quotient<T>(e, e + T(2));
}

template <class T>
inline Vector<T> relu(Vector<T> x) {
  return x < T(0) ? splat<T>(0) : x;
}

template <class T>
inline Vector<T> elu(Vector<T> x) {
  const Vector<T> below = expm1_in_range<T>(clamp<T>(x, -saturation<T>, T(0)));
  return x > T(0) ? x : below;
}

// x = 2^n (1 + f) with 1 + f from sqrt(1/2) to sqrt(2); log(1 + f) = 2 artanh(s) for s = f / (2 + f), whose series
// stands in `rest`: log(1 + f) = f - f^2/2 + s (f^2/2 + rest). Numbers below the normal range are not told from 0 in a walk.
template <class T>
inline Vector<T> log(Vector<T> x) {
  using C = ExpConstants<T>;
  constexpr int terms = sizeof(T) == 4 ? 4 : 10;
  const IntegerVector<T> bits = (IntegerVector<T>)x;
  const IntegerVector<T> n = (bits - (IntegerVector<T>)splat<T>(T(0.70710678118654752))) >> C::mantissa_bits;
  const Vector<T> times = (Vector<T>)(n + (IntegerVector<T>)splat<T>(C::magic)) - C::magic;
  const Vector<T> f = (Vector<T>)(bits - (n << C::mantissa_bits)) - T(1);
  const Vector<T> s = f / (f + T(2)), square = s * s, half = f * f * T(0.5);
  Vector<T> rest = splat<T>(T(2) / T(2 * terms + 1));
#pragma GCC unroll 16
  for (int k = terms - 1; k >= 1; --k) rest = rest * square + T(2) / T(2 * k + 1);
  const Vector<T> y = times * C::ln2_high - ((half - (s * (half + rest * square) + times * C::ln2_low)) - f);
  const Vector<T> infinity = splat<T>(T(__builtin_inf()));
  const Vector<T> outside = x == T(0) ? -infinity : (x == infinity ? x : splat<T>(T(__builtin_nan(""))));
  return x > T(0) && x < infinity ? y : outside;
}

template <class T>
inline Vector<T> sqrt(Vector<T> x) {
  for (Index lane = 0; lane < lanes<T>; ++lane) x[lane] = sizeof(T) == 4 ? __builtin_sqrtf(x[lane]) : __builtin_sqrt(x[lane]);
  return x;
}

template <class T>
inline Vector<T> maximum(Vector<T> a, Vector<T> b) {
  return a != a ? a : (a < b || b != b ? b : a);
}

template <class T>
inline Vector<T> minimum(Vector<T> a, Vector<T> b) {
  return a != a ? a : (a > b || b != b ? b : a);
}

template <class T>
inline Vector<T> step(Vector<T> x) {
  return x > T(0) ? splat<T>(1) : splat<T>(0);
}

// Gradients behind relu and maximum: nothing comes through where the slope is 0, also of what is infinite there.
template <class T>
inline Vector<T> passed(Vector<T> d, Vector<T> y) {
  return y <= T(0) ? splat<T>(0) : d;
}

template <class T>
inline Vector<T> shared(Vector<T> d, Vector<T> a, Vector<T> b) {
  return a < b ? splat<T>(0) : (a == b ? d * T(0.5) : d);
}

template <class T>
inline Vector<T> above(Vector<T> a, Vector<T> b) {
  return a > b ? splat<T>(1) : (a == b ? splat<T>(T(0.5)) : splat<T>(0));
}

}  // namespace
}  // namespace carousel::ISA
