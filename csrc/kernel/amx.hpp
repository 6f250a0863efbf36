// Tiles of pairs in the matrix unit: AMX multiplies 16 rows of 16 pairs by 16 rows of 16 columns in one instruction, and
// sums in float32.
//
// A step of 16 depths of a panel is such a right-hand tile as it lies; a left-hand tile is 16 rows of pairs, an equal way
// apart. Sums stay in up to four of the eight tile registers, two blocks of rows by two vectors or one by four, and go
// through a small square in the first cache to the rows they belong to, wherever those are.
#pragma once

#include <immintrin.h>

#include "tiles.hpp"

namespace carousel::ISA {
namespace {

// GCC 12's intrinsics do not tell the compiler that they read memory: all that was stored must stand there first.
inline void settle(const void* left, const void* right) { __asm__ volatile("" : : "r"(left), "r"(right) : "memory"); }

// While it lives, this thread's eight tile registers hold 16 rows of 64 bytes each. To give them back spares the kernel
// 8 KB at each switch between threads.
template <>
struct TileRegisters<Pair> {
  TileRegisters() {
    struct alignas(64) {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    settle(&config, nullptr);
    _tile_loadconfig(&config);
  }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
  ~TileRegisters() { _tile_release(); }
};

// Sums of R blocks of 16 rows by N vectors, block by block: R * N <= 4. Tiles are named by number: 0 to 3 hold sums, 4 and
// 5 the left-hand side, 6 and 7 the panel. `stride` and `width` are in pairs.
template <int R, int N>
inline void sum_tiles(Index depth, const Pair* left, Index stride, const Pair* panel, Index width, float (*sums)[16][16]) {
  constexpr Index pair = sizeof(Pair), row = 64;
  settle(left, panel);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (Index k = 0; k < depth; k += 16) {
    const Pair* right = panel + k * width;
    _tile_loadd(4, left + k, stride * pair);
    _tile_loadd(6, right, width * pair);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (N > 1) {
      _tile_loadd(7, right + 16, width * pair);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (R > 1) {
      _tile_loadd(5, left + 16 * stride + k, stride * pair);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (N > 1) _tile_dpbf16ps(3, 5, 7);
    }
    if constexpr (N > 2) {
      _tile_loadd(6, right + 32, width * pair);
      _tile_dpbf16ps(2, 4, 6);
    }
    if constexpr (N > 3) {
      _tile_loadd(7, right + 48, width * pair);
      _tile_dpbf16ps(3, 4, 7);
    }
  }
  _tile_stored(0, sums[0], row);
  if constexpr (N > 1) _tile_stored(1, sums[1], row);
  if constexpr (R > 1 || N > 2) _tile_stored(2, sums[R > 1 ? N : 2], row);
  if constexpr (R * N > 3) _tile_stored(3, sums[3], row);
}

// Where a left-hand side begins, and how far apart its rows are.
inline Strip<Pair> spaced(Strip<Pair> strip, Index) { return strip; }
inline Strip<Pair> spaced(RowList<Pair> rows, Index count) {
  return {rows.row[0] + rows.column, count > 1 ? rows.row[1] - rows.row[0] : 0};
}

// Left-hand rows are an equal way apart, and can be read up to whole blocks of 16.
template <template <class, int> class Left>
struct Tiles<Pair, Left> {
  using From = typename Left<Pair, 1>::From;

  static void multiply(Index rows, Index vectors, Index depth, From left, const Pair* panel, const Sums<float>& to,
                       Index tail, [[maybe_unused]] const Pair* ahead) {
    const Strip<Pair> from = spaced(left, rows);
    const Index step = rows > 16 ? 2 : 4;  // vectors at a time
    for (Index n = 0; n < vectors; n += step) {
      const Index some = vectors - n < step ? vectors - n : step;
      alignas(64) float sums[4][16][16];
      passes[rows > 16][some - 1](depth, from.first, from.stride, panel + n * 16, vectors * 16, sums);
      for (Index r = 0; r < rows; ++r)
        add(sums + r / 16 * some, r % 16, some, to.begin_at(r) + n * 16, to.at(r) + n * 16, n + some == vectors ? tail : 16);
    }
  }

 private:
  using Pass = void(Index, const Pair*, Index, const Pair*, Index, float (*)[16][16]);
  static constexpr Pass* passes[2][4] = {
      {sum_tiles<1, 1>, sum_tiles<1, 2>, sum_tiles<1, 3>, sum_tiles<1, 4>},
      {sum_tiles<2, 1>, sum_tiles<2, 2>},
  };

  // one row of a block: out = begin + sums
  static void add(const float (*sums)[16][16], Index row, Index vectors, const float* begin, float* out, Index tail) {
    for (Index n = 0; n < vectors - 1; ++n) store(out + n * 16, load(begin + n * 16) + load(sums[n][row]));
    begin += (vectors - 1) * 16;
    out += (vectors - 1) * 16;
    const Vector<float> last = load_some(begin, tail) + load(sums[vectors - 1][row]);
    if (tail == 16)
      store(out, last);
    else
      store_part(out, last, tail);
  }
};

// So many rounds of four products of the same two tiles, to know the limit of the machine.
inline float turn_tiles(Index rounds, const void* left, const void* right) {
  alignas(64) float sums[16][16];
  settle(left, right);
  _tile_loadd(4, left, 64);
  _tile_loadd(6, right, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (Index round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 6);
  }
  _tile_stored(0, sums, 64);
  return sums[0][0];
}

}  // namespace
}  // namespace carousel::ISA
