// Matrix products on packed panels.
//
// The right-hand matrix is packed once into panels: for each depth k, the values of a few neighbouring columns side by
// side. Tiles of a few rows go along each panel (tiles.hpp).
#pragma once

#include "tiles.hpp"
#if defined(CAROUSEL_AMX)
#include "amx.hpp"
#endif

namespace carousel::ISA {
namespace {

// `count` things in as few groups of at most `most` as possible, as even as possible: where group g begins.
inline Index groups(Index count, Index most) { return (count + most - 1) / most; }
inline Index group_begin(Index count, Index parts, Index g) { return count * g / parts; }

// Call body(first, size) for even groups of rows, each no larger than a tile, each but the last in whole steps.
template <class U, class Body>
inline void each_tile(Index rows, Body body) {
  constexpr Index step = Lane<U>::row_step;
  const Index steps = groups(rows, step), parts = groups(steps, Lane<U>::tile_rows / step);
  for (Index g = 0; g < parts; ++g) {
    const Index first = group_begin(steps, parts, g) * step, end = group_begin(steps, parts, g + 1) * step;
    body(first, (end < rows ? end : rows) - first);
  }
}

// Columns column .. of the destination, packed at `offset`, `vectors` wide, the last vector with `tail` lanes in use.
struct Panel {
  Index column, unit, width, vectors, tail, offset;
  bool begins;  // from the bias (or zero) instead of from what the destination holds
  Index block;  // forward: which block of the product
};

// Neighbouring numbers of the left-hand row that a product reads: `count` from `from` on. As lanes they stand at `offset`.
struct Run {
  Index from, count, offset, depth;
};

// A right-hand matrix in panels. Panels of unit part p are those from part[p] to part[p + 1].
template <class U>
struct Packed {
  U* data;
  Index depth;  // in lanes
  Panel* panels;
  Index* part;
  Index parts;
  Run* runs;
  Index run_count;
};

template <class T>
inline Panel make_panel(Index width, Index panels, Index g) {
  const Index vectors = groups(width, lanes<T>);
  const Index first = group_begin(vectors, panels, g), last = group_begin(vectors, panels, g + 1);
  const Index end = last * lanes<T> < width ? last * lanes<T> : width;
  const Index unit = first * lanes<T>;
  return {unit, unit, end - unit, last - first, end - unit - (last - first - 1) * lanes<T>, 0, false, 0};
}

template <class T>
inline Index panels_for(Index width) {
  return groups(groups(width, lanes<T>), tile_vectors);
}

// out rows += (or = begin +) left rows times the packed matrix, for the panels of one unit part; `backwards`: the last
// panel first.
template <class U, class T = Number<U>>
inline void multiply(const Packed<U>& matrix, Index part, Index rows, const U* const* left, T* const* out,
                     const T* bias, bool backwards = false) {
  const Index count = matrix.part[part + 1] - matrix.part[part];
  const Panel* const panels = matrix.panels + matrix.part[part];
  for (Index turn = 0; turn < count; ++turn) {
    const Panel& panel = panels[backwards ? count - 1 - turn : turn];
    const Panel& next = turn + 1 == count ? panel : panels[backwards ? count - 2 - turn : turn + 1];
    Index asked = 0;  // vectors of the next panel: each tile asks for its share
    each_tile<U>(rows, [&](Index first, Index size) {
      const U* data = matrix.data + panel.offset;
      for (Index run = 0; run < matrix.run_count; ++run) {
        const RowList<U> in{left + first, matrix.runs[run].offset};
        const Sums<T> sums{out + first, panel.column, panel.begins && run == 0 ? bias + panel.column : nullptr};
        const Index depth = matrix.runs[run].depth;
        const U* ahead = asked < matrix.depth * next.vectors ? matrix.data + next.offset + asked * lanes<U> : data;
        Tiles<U, PointedRows>::multiply(size, panel.vectors, depth, in, data, sums, panel.tail, ahead);
        data += depth * panel.vectors * lanes<U>;
        asked += depth;
      }
    });
  }
}

// One panel of matrix^T: `rows` points at the first of the panel's columns in the unpacked (units, depth) matrix.
// A square of lanes at a time, so that every cache line is written once and whole.
template <class U, class T = Number<U>>
inline void pack_transposed(const Panel& panel, const T* rows, Index depth, U* to) {
  constexpr Index stretch = lanes<U> * Lane<U>::depths;
  const Index width = panel.vectors * lanes<U>;
  for (Index j0 = 0; j0 < width; j0 += lanes<U>)
    for (Index k0 = 0; k0 < depth; k0 += stretch) {
      const Index some = k0 + stretch < depth ? stretch : depth - k0;
      Vector<U> square[lanes<U>];
      for (Index j = 0; j < lanes<U>; ++j)
        square[j] = j0 + j < panel.width ? Lane<U>::row(rows + (j0 + j) * depth + k0, some) : Vector<U>{};
      transpose<U>(square);
      U* at = to + k0 / Lane<U>::depths * width + j0;
      for (Index k = 0; k < deep<U>(some); ++k) store(at + k * width, square[k]);
    }
}

// One lane's depth of a panel, from as many rows of the matrix as a lane holds depths.
template <class U, class T = Number<U>>
inline void pack_rows(const Panel& panel, const T* const* rows, U* to) {
  const Index last = (panel.vectors - 1) * lanes<U>;
  for (Index n = 0; n < last; n += lanes<U>) store(to + n, Lane<U>::gather(rows, n, lanes<U>));
  store(to + last, Lane<U>::gather(rows, last, panel.tail));
}

// Call body(rows, k) with the rows of each lane's depth k in turn, each list from column `first` on; null: no row.
// `k` runs to the end of the last step of depth.
template <class U, class Body, class T = Number<U>>
inline void each_depth(const T* const* rows, Index count, Index first, Body body) {
  constexpr Index depths = Lane<U>::depths;
  for (Index row = 0; row < deep<U>(count) * depths; row += depths) {
    const T* here[depths];
    for (Index d = 0; d < depths; ++d) here[d] = row + d < count ? rows[row + d] + first : nullptr;
    body(here, row / depths);
  }
}

// The same strips row by row, a square of lanes at a time: for tiles that take several depths at a time.
template <class U, class T = Number<U>>
inline void pack_strips_across(const T* const* rows, Index count, Index first, Index last, U* to) {
  const Index depth = deep<U>(count);
  for (Index n = first; n < last; n += lanes<U>) {
    const Index some = last - n < lanes<U> ? last - n : lanes<U>;
    Vector<U> square[lanes<U>];
    each_depth<U>(rows, count, n, [&](const T* const* here, Index k) {
      square[k % lanes<U>] = Lane<U>::gather(here, 0, some);
      if (k % lanes<U> != lanes<U> - 1) return;
      transpose<U>(square);
      for (Index r = 0; r < lanes<U>; ++r) store(to + (n - first + r) * depth + k - k % lanes<U>, square[r]);
    });
  }
}

// Where depth k of a packed strip of rows first .. first + size begins.
template <class U>
inline Strip<U> strip_at(const U* strips, Index depth, Index first, Index size, Index k) {
  const U* strip = strips + first * depth;
  return Lane<U>::depth_step > 1 ? Strip<U>{strip + k, depth} : Strip<U>{strip + k * size, size};
}

// Strips of columns first .. last of the rows, each packed depth by depth: the left-hand side of a weight gradient.
template <class U, class T = Number<U>>
inline void pack_strips(const T* const* rows, Index count, Index first, Index last, U* to) {
  if constexpr (Lane<U>::depth_step > 1) return pack_strips_across(rows, count, first, last, to);
  constexpr Index tile_rows = Lane<U>::tile_rows;
  // columns at a time: strips enough to use what a cache line brings, and not so many that their places, which may
  // lie a multiple of 4 KB apart, push each other out of the first cache
  constexpr Index stretch = 8 * tile_rows;
  const Index depth = deep<U>(count), parts = groups(last - first, tile_rows);
  for (Index g0 = 0; g0 < parts; g0 += stretch / tile_rows) {
    const Index g1 = g0 + stretch / tile_rows < parts ? g0 + stretch / tile_rows : parts;
    each_depth<U>(rows, count, first, [&](const T* const* here, Index k) {
      for (Index g = g0; g < g1; ++g) {
        const Index begin = group_begin(last - first, parts, g), size = group_begin(last - first, parts, g + 1) - begin;
        for (Index n = 0; n < size; n += lanes<U>) {  // once, unless a vector is shorter than a tile is high
          const Index some = size - n < lanes<U> ? size - n : lanes<U>;
          store_part(to + begin * depth + k * size + n, Lane<U>::gather(here, begin + n, some), some);
        }
      }
    });
  }
}

// gradient rows += strips^T times one packed panel; the first time they begin from `zero`.
template <class U, class T = Number<U>>
inline void add_outer_products(const Panel& panel, const U* packed, const U* strips, Index depth, Index rows,
                               T* gradient, Index stride, const T* zero) {
  constexpr Index stretch = 512;  // depths at a time, so that panel and strip stay in the second cache
  for (Index k0 = 0; k0 < depth; k0 += stretch) {
    const Index part = k0 + stretch < depth ? stretch : depth - k0;
    each_tile<U>(rows, [&](Index first, Index size) {
      T* to[Lane<U>::tile_rows];
      for (Index r = 0; r < size; ++r) {
        to[r] = gradient + (first + r) * stride + panel.column;
        for (Index n = 0; n < panel.vectors; ++n) __builtin_prefetch(to[r] + size * stride + n * lanes<T>, 1, 2);
      }
      const U* data = packed + k0 * panel.vectors * lanes<U>;
      Tiles<U, PackedStrip>::multiply(size, panel.vectors, part, strip_at(strips, depth, first, size, k0), data,
                                      {to, 0, k0 == 0 ? zero : nullptr}, panel.tail, data);
    });
  }
}

}  // namespace
}  // namespace carousel::ISA
