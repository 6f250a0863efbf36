// Matrix products on packed panels: a register tile of up to 6 rows by up to 4 vectors, summed over the depth.
//
// The right-hand matrix is packed once into panels: for each depth k, the values of a few neighbouring columns side by side. The
// left-hand rows are reached through pointers, so that any layout in time and batch (packed, strided, reversed) is a
// list of rows. So are the rows that a tile writes; it begins from what stands there, or from one row for all of them.

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
