// The sums over the lanes of several vectors at once: halves are folded so that each lane ends as the sum of one vector.
#pragma once

#include "../kernel/vector.hpp"

namespace carousel::ISA {
namespace {

template <int Step, Index... Lane>
struct Fold {
  // lane l of the result: the sum of lanes l and l ^ Step, of a where bit Step of l is 0, of b where it is 1
  static Vector<float> fold(Vector<float> a, Vector<float> b) {
#if defined(__clang__)
    const Vector<float> own = __builtin_shufflevector(a, b, (Lane & Step ? int(Lane + lanes<float>) : int(Lane))...);
    const Vector<float> other =
        __builtin_shufflevector(a, b, (Lane & Step ? int((Lane ^ Step) + lanes<float>) : int(Lane ^ Step))...);
#else
    const IntegerVector<float> one = {(Lane & Step ? std::int32_t(Lane + lanes<float>) : std::int32_t(Lane))...};
    const IntegerVector<float> two = {
        (Lane & Step ? std::int32_t((Lane ^ Step) + lanes<float>) : std::int32_t(Lane ^ Step))...};
    const Vector<float> own = __builtin_shuffle(a, b, one), other = __builtin_shuffle(a, b, two);
#endif
    return own + other;
  }
};

template <int Step>
inline Vector<float> fold(Vector<float> a, Vector<float> b) {
#if CAROUSEL_VECTOR_BYTES == 64
  return Fold<Step, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>::fold(a, b);
#elif CAROUSEL_VECTOR_BYTES == 32
  return Fold<Step, 0, 1, 2, 3, 4, 5, 6, 7>::fold(a, b);
#else
  return Fold<Step, 0, 1, 2, 3>::fold(a, b);
#endif
}

// Lane l: the sum of v[l]. Count vectors, at most as many as there are lanes; lanes beyond them repeat others.
template <int Count, int Step = 1>
inline Vector<float> lane_sums(const Vector<float>* v) {
  if constexpr (Step == lanes<float>) {
    return v[0];
  } else {
    constexpr int half = (Count + 1) / 2;
    Vector<float> folded[half];
#pragma GCC unroll 16
    for (int k = 0; k < half; ++k) folded[k] = fold<Step>(v[2 * k], v[2 * k + 1 < Count ? 2 * k + 1 : 2 * k]);
    return lane_sums<half, 2 * Step>(folded);
  }
}

// to[k]: the sum of v[k]; whole vectors are written, so that up to lanes - 1 numbers beyond Count are overwritten.
template <int Count>
inline void store_sums(const Vector<float>* v, float* to) {
  constexpr int now = Count < lanes<float> ? Count : int(lanes<float>);
  store(to, lane_sums<now>(v));
  if constexpr (Count > now) store_sums<Count - now>(v + now, to + now);
}

}  // namespace
}  // namespace carousel::ISA
