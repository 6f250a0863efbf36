// Matrix products on packed panels: a register tile of up to 6 rows by up to 4 vectors, summed over the depth.
//
// The right-hand matrix is packed once into panels: for each depth k, the values of a few neighbouring columns side by side. The
// left-hand rows are reached through pointers, so that any layout in time and batch (packed, strided, reversed) is a
// list of rows. A tile begins from `begin` rows (a bias, zero, or the destination itself) and writes `out` rows.

// How many rows and vectors a tile holds: accumulators, one row of the panel and one factor must fit the registers.
constexpr int tile_rows = 6;
constexpr int tile_vectors = CAROUSEL_REGISTERS >= 32 ? 4 : 2;

// left(r, k) for rows reached through pointers
template <class T, int R>
struct PointedRows {
  const T* row[R];
  explicit PointedRows(const T* const* rows) {
    for (int r = 0; r < R; ++r) row[r] = rows[r];
  }
  T operator()(int r, Index k) const { return row[r][k]; }
};

// left(r, k) for a strip packed depth by depth
template <class T, int R>
struct PackedStrip {
  const T* strip;
  T operator()(int r, Index k) const { return strip[k * R + r]; }
};

template <class T, int R, int N, class Left>
inline void tile(Index depth, const Left& left, const T* panel, const T* const* begin, T* const* out, Index tail) {
  Vector<T> sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N - 1; ++n) sum[r][n] = load(begin[r] + n * lanes<T>);
    const T* last = begin[r] + (N - 1) * lanes<T>;
    sum[r][N - 1] = tail == lanes<T> ? load(last) : load_part(last, tail);
  }
  for (Index k = 0; k < depth; ++k) {
    Vector<T> right[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) right[n] = load(panel + (k * N + n) * lanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector<T> factor = splat(left(r, k));
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[r][n] += factor * right[n];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N - 1; ++n) store(out[r] + n * lanes<T>, sum[r][n]);
    T* last = out[r] + (N - 1) * lanes<T>;
    if (tail == lanes<T>)
      store(last, sum[r][N - 1]);
    else
      store_part(last, sum[r][N - 1], tail);
  }
}

template <class T, int R, int N>
void tile_of_rows(Index depth, const T* const* left, const T* panel, const T* const* begin, T* const* out, Index tail) {
  tile<T, R, N>(depth, PointedRows<T, R>(left), panel, begin, out, tail);
}

template <class T, int R, int N>
void tile_of_strip(Index depth, const T* left, const T* panel, const T* const* begin, T* const* out, Index tail) {
  tile<T, R, N>(depth, PackedStrip<T, R>{left}, panel, begin, out, tail);
}

template <class T, int R>
inline void row_tile(Index vectors, Index depth, const T* const* left, const T* panel, const T* const* begin,
                     T* const* out, Index tail) {
  if (vectors == 1) return tile_of_rows<T, R, 1>(depth, left, panel, begin, out, tail);
  if (vectors == 2) return tile_of_rows<T, R, 2>(depth, left, panel, begin, out, tail);
  if constexpr (tile_vectors == 4) {
    if (vectors == 3) return tile_of_rows<T, R, 3>(depth, left, panel, begin, out, tail);
    return tile_of_rows<T, R, 4>(depth, left, panel, begin, out, tail);
  }
}

template <class T, int R>
inline void strip_tile(Index vectors, Index depth, const T* left, const T* panel, const T* const* begin,
                       T* const* out, Index tail) {
  if (vectors == 1) return tile_of_strip<T, R, 1>(depth, left, panel, begin, out, tail);
  if (vectors == 2) return tile_of_strip<T, R, 2>(depth, left, panel, begin, out, tail);
  if constexpr (tile_vectors == 4) {
    if (vectors == 3) return tile_of_strip<T, R, 3>(depth, left, panel, begin, out, tail);
    return tile_of_strip<T, R, 4>(depth, left, panel, begin, out, tail);
  }
}

// `count` things in as few groups of at most `most` as possible, as even as possible: where group g begins.
inline Index groups(Index count, Index most) { return (count + most - 1) / most; }
inline Index group_begin(Index count, Index parts, Index g) { return count * g / parts; }

// Call body(first, size) for even groups of rows, each no larger than a tile.
template <class Body>
inline void each_tile(Index rows, Body body) {
  const Index parts = groups(rows, tile_rows);
  for (Index g = 0; g < parts; ++g) {
    const Index first = group_begin(rows, parts, g);
    body(first, group_begin(rows, parts, g + 1) - first);
  }
}

// Columns column .. of the destination, packed at `offset`, `vectors` wide, the last vector with `tail` lanes in use.
struct Panel {
  Index column, unit, width, vectors, tail, offset;
  bool begins;  // from the bias (or zero) instead of from what the destination holds
  Index block;  // forward: which block of the product
};

// Neighbouring deltas of the left-hand row that a product reads: left row + offset, for `depth` values.
struct Run {
  Index offset, depth;
};

// A right-hand matrix in panels. Panels of unit part p are those from part[p] to part[p + 1].
template <class T>
struct Packed {
  T* data;
  Index depth;
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

// out rows += (or = begin +) left rows times the packed matrix, for the panels of one unit part.
template <class T>
inline void multiply(const Packed<T>& matrix, Index part, Index rows, const T* const* left, T* const* out,
                     const T* bias) {
  for (Index p = matrix.part[part]; p < matrix.part[part + 1]; ++p) {
    const Panel& panel = matrix.panels[p];
    each_tile(rows, [&](Index first, Index size) {
      const T *in[tile_rows], *begin[tile_rows];
      T* to[tile_rows];
      const T* data = matrix.data + panel.offset;
      for (Index run = 0; run < matrix.run_count; ++run) {
        for (Index r = 0; r < size; ++r) {
          in[r] = left[first + r] + matrix.runs[run].offset;
          to[r] = out[first + r] + panel.column;
          begin[r] = panel.begins && run == 0 ? bias + panel.column : to[r];
        }
        const Index depth = matrix.runs[run].depth;
        switch (size) {
          case 1: row_tile<T, 1>(panel.vectors, depth, in, data, begin, to, panel.tail); break;
          case 2: row_tile<T, 2>(panel.vectors, depth, in, data, begin, to, panel.tail); break;
          case 3: row_tile<T, 3>(panel.vectors, depth, in, data, begin, to, panel.tail); break;
          case 4: row_tile<T, 4>(panel.vectors, depth, in, data, begin, to, panel.tail); break;
          case 5: row_tile<T, 5>(panel.vectors, depth, in, data, begin, to, panel.tail); break;
          default: row_tile<T, 6>(panel.vectors, depth, in, data, begin, to, panel.tail);
        }
        data += depth * panel.vectors * lanes<T>;
      }
    });
  }
}

// One panel of matrix^T: `rows` points at the first of the panel's columns in the unpacked (units, depth) matrix.
template <class T>
inline void pack_transposed(const Panel& panel, const T* rows, Index depth, T* to) {
  constexpr Index stretch = 64;  // depths at a time, so that the lines written stay in the first cache
  const Index width = panel.vectors * lanes<T>;
  for (Index k0 = 0; k0 < depth; k0 += stretch) {
    const Index k1 = k0 + stretch < depth ? k0 + stretch : depth;
    for (Index j = 0; j < width; ++j)
      for (Index k = k0; k < k1; ++k) to[k * width + j] = j < panel.width ? rows[j * depth + k] : T(0);
  }
}

// One depth of a panel, copied from a row of the matrix.
template <class T>
inline void pack_row(const Panel& panel, const T* from, T* to) {
  const Index last = (panel.vectors - 1) * lanes<T>;
  for (Index n = 0; n < last; n += lanes<T>) store(to + n, load(from + n));
  store(to + last, panel.tail == lanes<T> ? load(from + last) : load_part(from + last, panel.tail));
}

// Strips of columns first .. last of the rows, each packed depth by depth: the left-hand side of a weight gradient.
template <class T>
inline void pack_strips(const T* const* rows, Index depth, Index first, Index last, T* to) {
  each_tile(last - first, [&](Index begin, Index size) {
    T* strip = to + begin * depth;
    for (Index k = 0; k < depth; ++k)
      for (Index r = 0; r < size; ++r) strip[k * size + r] = rows[k][first + begin + r];
  });
}

// gradient rows += strips^T times one packed panel; the first time they begin from `zero`.
template <class T>
inline void add_outer_products(const Panel& panel, const T* packed, const T* strips, Index depth, Index rows,
                               T* gradient, Index stride, const T* zero) {
  constexpr Index stretch = 512;  // depths at a time, so that panel and strip stay in the second cache
  for (Index k0 = 0; k0 < depth; k0 += stretch) {
    const Index part = k0 + stretch < depth ? stretch : depth - k0;
    each_tile(rows, [&](Index first, Index size) {
      const T* begin[tile_rows];
      T* to[tile_rows];
      for (Index r = 0; r < size; ++r) {
        to[r] = gradient + (first + r) * stride + panel.column;
        begin[r] = zero && k0 == 0 ? zero : to[r];
      }
      const T* strip = strips + first * depth + k0 * size;
      const T* data = packed + k0 * panel.vectors * lanes<T>;
      switch (size) {
        case 1: strip_tile<T, 1>(panel.vectors, part, strip, data, begin, to, panel.tail); break;
        case 2: strip_tile<T, 2>(panel.vectors, part, strip, data, begin, to, panel.tail); break;
        case 3: strip_tile<T, 3>(panel.vectors, part, strip, data, begin, to, panel.tail); break;
        case 4: strip_tile<T, 4>(panel.vectors, part, strip, data, begin, to, panel.tail); break;
        case 5: strip_tile<T, 5>(panel.vectors, part, strip, data, begin, to, panel.tail); break;
        default: strip_tile<T, 6>(panel.vectors, part, strip, data, begin, to, panel.tail);
      }
    });
  }
}
