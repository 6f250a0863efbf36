// Register tiles: up to 6 rows by up to 4 vectors, summed over the depth.
//
// The left-hand rows are reached through pointers, so that any layout in time and batch (packed, strided, reversed) is a
// list of rows. So are the rows that a tile writes; it begins from what stands there, or from one row for all of them.
#pragma once

#include "bfloat16.hpp"

namespace carousel::ISA {
namespace {

// How many vectors a tile holds: with up to 6 rows, accumulators, one row of the panel and one factor fit the registers.
constexpr int tile_vectors = CAROUSEL_REGISTERS >= 32 ? 4 : 2;

// Rows reached through pointers, from one column of theirs on.
template <class U>
struct RowList {
  const U* const* row;
  Index column;
};

// left(r, k) for such rows
template <class U, int R>
struct PointedRows {
  using From = RowList<U>;
  const U* row[R];
  explicit PointedRows(From from) {
    for (int r = 0; r < R; ++r) row[r] = from.row[r] + from.column;
  }
  U operator()(int r, Index k) const { return row[r][k]; }
};

// Where a tile's rows go: the same, and the row from which all sums begin (a bias, or zero); null: each from its own.
template <class T>
struct Sums {
  T* const* row;
  Index column;
  const T* begin;
  T* at(Index r) const { return row[r] + column; }
  const T* begin_at(Index r) const { return begin ? begin : at(r); }
};

// Packed rows of a weight gradient: number k of row r is first[k * stride + r], or first[r * stride + k] where tiles take
// several depths at a time.
template <class U>
struct Strip {
  const U* first;
  Index stride;
};

// left(r, k) for a strip packed depth by depth
template <class U, int R>
struct PackedStrip {
  using From = Strip<U>;
  const U* strip;
  explicit PackedStrip(From packed) : strip(packed.first) {}
  U operator()(int r, Index k) const { return strip[k * R + r]; }
};

// `ahead`: what the next panels hold, at most a line of it for every depth of this one: it is asked for while this tile
// computes, for a matrix that is larger than the second cache comes from the third slower than it is multiplied. A sum
// goes over the depths in their order, whatever the tile: results do not depend on how rows and units are shared out.
template <class U, int R, int N, class Left, class T = Number<U>>
inline void tile(Index depth, const Left& left, const U* panel, const Sums<T>& sums, Index tail, const U* ahead) {
  Vector<T> sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const T* from = sums.begin_at(r);
#pragma GCC unroll 4
    for (int n = 0; n < N - 1; ++n) sum[r][n] = load(from + n * lanes<T>);
    sum[r][N - 1] = load_some(from + (N - 1) * lanes<T>, tail);
  }
  for (Index k = 0; k < depth; ++k) {
    Vector<U> right[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) right[n] = load(panel + (k * N + n) * lanes<U>);
    if constexpr (R > 2) __builtin_prefetch(ahead + k * lanes<U>, 0, 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector<U> factor = splat(left(r, k));
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[r][n] = Lane<U>::multiply_add(sum[r][n], factor, right[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    T* to = sums.at(r);
#pragma GCC unroll 4
    for (int n = 0; n < N - 1; ++n) store(to + n * lanes<T>, sum[r][n]);
    T* last = to + (N - 1) * lanes<T>;
    if (tail == lanes<T>)
      store(last, sum[r][N - 1]);
    else
      store_part(last, sum[r][N - 1], tail);
  }
}

// The tile of every size, for one kind of left-hand side.
template <class U, template <class, int> class Left>
struct Tiles {
  using T = Number<U>;
  using From = typename Left<U, 1>::From;
  using Function = void(Index depth, From left, const U* panel, const Sums<T>& sums, Index tail, const U* ahead);

  template <int R, int N>
  static void run(Index depth, From left, const U* panel, const Sums<T>& sums, Index tail, const U* ahead) {
    tile<U, R, N>(depth, Left<U, R>(left), panel, sums, tail, ahead);
  }

  static constexpr int three = tile_vectors < 3 ? tile_vectors : 3;
  static constexpr Function* table[Lane<U>::tile_rows][4] = {
      {run<1, 1>, run<1, 2>, run<1, three>, run<1, tile_vectors>},
      {run<2, 1>, run<2, 2>, run<2, three>, run<2, tile_vectors>},
      {run<3, 1>, run<3, 2>, run<3, three>, run<3, tile_vectors>},
      {run<4, 1>, run<4, 2>, run<4, three>, run<4, tile_vectors>},
      {run<5, 1>, run<5, 2>, run<5, three>, run<5, tile_vectors>},
      {run<6, 1>, run<6, 2>, run<6, three>, run<6, tile_vectors>},
  };

  // sums += left rows times the panel's, so many rows and vectors of them
  static void multiply(Index rows, Index vectors, Index depth, From left, const U* panel, const Sums<T>& sums, Index tail,
                       const U* ahead) {
    table[rows - 1][vectors - 1](depth, left, panel, sums, tail, ahead);
  }
};

// What a thread holds from its first tile to its last: nothing, where tiles live in ordinary registers.
template <class U>
struct TileRegisters {
  TileRegisters() {}
};

}  // namespace
}  // namespace carousel::ISA
