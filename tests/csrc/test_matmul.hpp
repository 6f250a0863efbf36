// Register tiles, packed products and outer products against a naive product, in whole numbers, so that sums are exact
// in any order. Every array is exactly as large as the contract says: a sanitizer sees the first element too far.

template <class T>
std::vector<T> whole_numbers(Index count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(static_cast<int>(random() % 17) - 8);
  return values;
}

template <class T>
bool same(const char* what, const std::vector<T>& came, const std::vector<T>& expected, Index a, Index b, Index c) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (came[i] != expected[i]) {
      CHECK(came[i] == expected[i], "%s of %zu bytes (%td, %td, %td), element %zu: %g instead of %g", what, sizeof(T), a,
            b, c, i, static_cast<double>(came[i]), static_cast<double>(expected[i]));
      return false;
    }
  CHECK(came.size() == expected.size(), "%s: %zu values instead of %zu", what, came.size(), expected.size());
  return true;
}

// rows x width destination = begin + left (rows x depth) times right (depth x width)
template <class T>
std::vector<T> naive(std::vector<T> begin, const std::vector<T>& left, const std::vector<T>& right, Index rows,
                     Index depth, Index width) {
  for (Index r = 0; r < rows; ++r)
    for (Index k = 0; k < depth; ++k)
      for (Index j = 0; j < width; ++j)
        begin[static_cast<std::size_t>(r * width + j)] +=
            left[static_cast<std::size_t>(r * depth + k)] * right[static_cast<std::size_t>(k * width + j)];
  return begin;
}

// right (depth x width) with its rows filled up to whole vectors
template <class T>
std::vector<T> padded(const std::vector<T>& right, Index depth, Index width, Index vectors) {
  std::vector<T> panel(static_cast<std::size_t>(depth * vectors * lanes<T>), T(99));  // 99: must not reach a result
  for (Index k = 0; k < depth; ++k)
    for (Index j = 0; j < width; ++j)
      panel[static_cast<std::size_t>(k * vectors * lanes<T> + j)] = right[static_cast<std::size_t>(k * width + j)];
  return panel;
}

template <class T, int R>
void check_tile(Index vectors, Index tail, Index depth, bool in_place) {
  const Index width = (vectors - 1) * lanes<T> + tail;
  const std::vector<T> left = whole_numbers<T>(R * depth, 1), right = whole_numbers<T>(depth * width, 2);
  std::vector<T> start = whole_numbers<T>(R * width, 3);
  const std::vector<T> row(start.begin(), start.begin() + width), panel = padded(right, depth, width, vectors);
  for (Index r = 0; r < R && !in_place; ++r) std::copy(row.begin(), row.end(), start.begin() + r * width);
  const std::vector<T> expected = naive(start, left, right, R, depth, width);
  std::vector<T> strip(left.size()), out = in_place ? start : std::vector<T>(start.size(), T(77));
  const T* rows[R];
  T* to[R];
  for (Index r = 0; r < R; ++r) {
    rows[r] = left.data() + r * depth;
    to[r] = out.data() + r * width;
    for (Index k = 0; k < depth; ++k) strip[static_cast<std::size_t>(k * R + r)] = rows[r][k];
  }
  const Sums<T> sums{to, 0, in_place ? nullptr : row.data()};
  Tiles<T, PointedRows>::multiply(R, vectors, depth, {rows, 0}, panel.data(), sums, tail, panel.data());
  same("tile of rows", out, expected, R, vectors, tail);
  if (in_place) out = start;
  Tiles<T, PackedStrip>::multiply(R, vectors, depth, {strip.data(), R}, panel.data(), sums, tail, panel.data());
  same("tile of a strip", out, expected, R, vectors, tail);
}

template <class T, int R>
void check_tiles() {
  for (Index vectors = 1; vectors <= tile_vectors; ++vectors)
    for (Index tail = 1; tail <= lanes<T>; ++tail)
      for (Index depth : {0, 1, 2, 7, 33}) {
        check_tile<T, R>(vectors, tail, depth, false);
        check_tile<T, R>(vectors, tail, depth, true);
      }
  if constexpr (R > 1) check_tiles<T, R - 1>();
}

// Deltas of `runs` blocks, `gap` columns apart in the left row, times their matrices, one below the other.
template <class U, class T = Number<U>>
void check_multiply(Index rows, Index width, Index depth, Index runs, bool begins) {
  const Index panels_in_all = panels_for<T>(width), gap = 3, row_size = runs * (depth + gap);
  const Index high = deep<U>(depth);
  const TileRegisters<U> registers;
  const std::vector<T> wide = whole_numbers<T>(rows * row_size, 4), bias = whole_numbers<T>(width, 5);
  const std::vector<T> matrix_t = whole_numbers<T>(runs * width * depth, 6);  // each block (units, depth)
  std::vector<T> left, right(static_cast<std::size_t>(runs * depth * width));
  std::vector<U> lanes_of_left(static_cast<std::size_t>(tall<U>(rows) * runs * high));
  for (Index r = 0; r < rows; ++r)
    for (Index run = 0; run < runs; ++run) {
      const T* from = wide.data() + r * row_size + run * (depth + gap) + gap;
      left.insert(left.end(), from, from + depth);
      U* to = lanes_of_left.data() + (r * runs + run) * high;
      std::memmove(to, Lane<U>::along(from, depth, to), sizeof(U) * static_cast<std::size_t>(high));
    }
  for (Index run = 0; run < runs; ++run)
    for (Index k = 0; k < depth; ++k)
      for (Index j = 0; j < width; ++j)
        right[static_cast<std::size_t>((run * depth + k) * width + j)] =
            matrix_t[static_cast<std::size_t>((run * width + j) * depth + k)];

  std::vector<Panel> panels;
  std::vector<U> packed;
  for (Index g = 0; g < panels_in_all; ++g) {
    Panel panel = make_panel<T>(width, panels_in_all, g);
    panel.begins = begins;
    panel.offset = static_cast<Index>(packed.size());
    panels.push_back(panel);
    for (Index run = 0; run < runs; ++run) {
      std::vector<U> part(static_cast<std::size_t>(high * panel.vectors * lanes<U>));
      pack_transposed(panel, matrix_t.data() + (run * width + panel.unit) * depth, depth, part.data());
      packed.insert(packed.end(), part.begin(), part.end());
    }
  }
  std::vector<Run> list;
  for (Index run = 0; run < runs; ++run) list.push_back({run * (depth + gap) + gap, depth, run * high, high});
  Index part[2] = {0, panels_in_all};
  const Packed<U> matrix{packed.data(), runs * high, panels.data(), part, 1, list.data(), runs};

  const std::vector<T> start = whole_numbers<T>(rows * width, 7);
  std::vector<T> out = start, from = start;
  std::vector<const U*> in;
  std::vector<T*> to;
  for (Index r = 0; r < rows; ++r) {
    in.push_back(lanes_of_left.data() + r * runs * high);
    to.push_back(out.data() + r * width);
    for (Index j = 0; begins && j < width; ++j)
      from[static_cast<std::size_t>(r * width + j)] = bias[static_cast<std::size_t>(j)];
  }
  multiply(matrix, 0, rows, in.data(), to.data(), bias.data());
  same("product", out, naive(from, left, right, rows, runs * depth, width), rows, width, depth);
}

// gradient (rows x width) += deltas^T (rows x depth) times sources (depth x width)
template <class U, class T = Number<U>>
void check_outer_products(Index rows, Index width, Index depth, bool from_zero) {
  const Index high = deep<U>(depth);
  const TileRegisters<U> registers;
  const std::vector<T> deltas = whole_numbers<T>(depth * rows, 8), sources = whole_numbers<T>(depth * width, 9);
  const std::vector<T> start = whole_numbers<T>(rows * width, 10);
  std::vector<T> transposed(deltas.size()), gradient = start;
  std::vector<U> strips(static_cast<std::size_t>(high * tall<U>(rows)));
  std::vector<const T*> pointers, source_rows;
  for (Index k = 0; k < depth; ++k) {
    pointers.push_back(deltas.data() + k * rows);
    source_rows.push_back(sources.data() + k * width);
    for (Index r = 0; r < rows; ++r)
      transposed[static_cast<std::size_t>(r * depth + k)] = deltas[static_cast<std::size_t>(k * rows + r)];
  }
  pack_strips(pointers.data(), depth, 0, rows, strips.data());
  const std::vector<T> zero(static_cast<std::size_t>(width), T(0));
  const Index panels = panels_for<T>(width);
  for (Index g = 0; g < panels; ++g) {
    const Panel panel = make_panel<T>(width, panels, g);
    std::vector<U> packed(static_cast<std::size_t>(high * panel.vectors * lanes<U>));
    each_depth<U>(source_rows.data(), depth, panel.column, [&](const T* const* here, Index k) {
      pack_rows(panel, here, packed.data() + k * panel.vectors * lanes<U>);
    });
    add_outer_products(panel, packed.data(), strips.data(), high, rows, gradient.data(), width,
                       from_zero ? zero.data() : nullptr);
  }
  const std::vector<T> from = from_zero ? std::vector<T>(start.size(), T(0)) : start;
  same("outer products", gradient, naive(from, transposed, sources, rows, depth, width), rows, width, depth);
}

// Groups share things out completely, in order, evenly, and none is larger than asked for.
void check_groups() {
  for (Index count = 1; count < 60; ++count)
    for (Index most = 1; most < 9; ++most) {
      const Index parts = groups(count, most);
      Index smallest = count, largest = 0, sum = 0;
      for (Index g = 0; g < parts; ++g) {
        const Index size = group_begin(count, parts, g + 1) - group_begin(count, parts, g);
        smallest = size < smallest ? size : smallest;
        largest = size > largest ? size : largest;
        sum += size;
      }
      CHECK(sum == count && smallest >= 1 && largest <= most && largest - smallest <= 1,
            "%td in groups of %td: %td in all, from %td to %td", count, most, sum, smallest, largest);
    }
}

template <class U>
void check_products() {
  const Index full = tile_vectors * lanes<U>;
  for (Index width : {Index(1), lanes<U> - 1, lanes<U>, lanes<U> + 1, full - 1, full, full + 1, 3 * full + lanes<U> / 2})
    for (Index rows : {1, 2, 5, 6, 7, 13, 16, 17, 32, 33, 49})
      for (bool begins : {false, true}) {
        check_multiply<U>(rows, width, 9, 1, begins);
        check_multiply<U>(rows, width, 65, 3, begins);
        check_multiply<U>(rows, width, 64, 2, begins);
        check_outer_products<U>(rows, width, 3, begins);
      }
  check_outer_products<U>(7, full + 3, 512, true);  // longer than one stretch of depths
  check_outer_products<U>(7, full + 3, 1025, true);
  check_outer_products<U>(13, lanes<U>, 2051, false);
}

void test_matmul() {
  check_groups();
  check_tiles<float, Lane<float>::tile_rows>();
  check_tiles<double, Lane<double>::tile_rows>();
  check_products<float>();
  check_products<double>();
  check_products<Pair>();
}
