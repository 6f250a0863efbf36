// Packed panels and strips hold each value in its place, and zero where the matrix has none.

// Panels cover every column once, in order, and fit the tiles.
template <class T>
void check_panels(Index width) {
  const Index count = panels_for<T>(width);
  Index column = 0;
  for (Index g = 0; g < count; ++g) {
    const Panel panel = make_panel<T>(width, count, g);
    CHECK(panel.column == column && panel.vectors >= 1 && panel.vectors <= tile_vectors && panel.tail >= 1 &&
              panel.tail <= lanes<T> && panel.width == (panel.vectors - 1) * lanes<T> + panel.tail,
          "panel %td of width %td: column %td, %td vectors, tail %td, width %td", g, width, panel.column, panel.vectors,
          panel.tail, panel.width);
    CHECK(panel.tail == lanes<T> || g == count - 1, "panel %td of width %td is cut in the middle", g, width);
    column += panel.width;
  }
  CHECK(column == width, "the panels of width %td cover %td", width, column);
}

// value (unit u, depth k) of a matrix, different everywhere
template <class T>
T mark(Index u, Index k) {
  return static_cast<T>(1 + u * 1000 + k);
}

template <class T>
void check_transposed(Index width, Index depth) {
  std::vector<T> matrix(static_cast<std::size_t>(width * depth));
  for (Index u = 0; u < width; ++u)
    for (Index k = 0; k < depth; ++k) matrix[static_cast<std::size_t>(u * depth + k)] = mark<T>(u, k);
  const Index count = panels_for<T>(width);
  for (Index g = 0; g < count; ++g) {
    const Panel panel = make_panel<T>(width, count, g);
    const Index size = panel.vectors * lanes<T>;
    std::vector<T> packed(static_cast<std::size_t>(depth * size), T(-1));
    pack_transposed(panel, matrix.data() + panel.unit * depth, depth, packed.data());
    for (Index k = 0; k < depth; ++k)
      for (Index j = 0; j < size; ++j) {
        const T expected = j < panel.width ? mark<T>(panel.unit + j, k) : T(0);
        const T came = packed[static_cast<std::size_t>(k * size + j)];
        CHECK(came == expected, "panel %td, depth %td, column %td: %g instead of %g", g, k, j, static_cast<double>(came),
              static_cast<double>(expected));
      }
  }
}

template <class T>
void check_row(Index width) {
  const Panel panel = make_panel<T>(width, 1, 0);
  const Index size = panel.vectors * lanes<T>;
  std::vector<T> row(static_cast<std::size_t>(width)), packed(static_cast<std::size_t>(size), T(-1));
  for (Index j = 0; j < width; ++j) row[static_cast<std::size_t>(j)] = mark<T>(0, j);
  const T* rows[] = {row.data()};
  pack_rows(panel, rows, packed.data());
  for (Index j = 0; j < size; ++j) {
    const T expected = j < width ? mark<T>(0, j) : T(0), came = packed[static_cast<std::size_t>(j)];
    CHECK(came == expected, "row of %td, column %td: %g instead of %g", width, j, static_cast<double>(came),
          static_cast<double>(expected));
  }
}

template <class T>
void check_strips(Index columns, Index depth) {
  const Index first = 2;
  std::vector<std::vector<T>> rows;
  std::vector<const T*> pointers;
  for (Index k = 0; k < depth; ++k) {
    rows.emplace_back();
    for (Index u = 0; u < first + columns; ++u) rows.back().push_back(mark<T>(u, k));
  }
  for (const std::vector<T>& row : rows) pointers.push_back(row.data());
  std::vector<T> strips(static_cast<std::size_t>(columns * depth), T(-1));
  pack_strips(pointers.data(), depth, first, first + columns, strips.data());
  each_tile<T>(columns, [&](Index begin, Index size) {
    for (Index k = 0; k < depth; ++k)
      for (Index r = 0; r < size; ++r) {
        const T expected = mark<T>(first + begin + r, k);
        const T came = strips[static_cast<std::size_t>(begin * depth + k * size + r)];
        CHECK(came == expected, "strip at %td, depth %td, row %td: %g instead of %g", begin, k, r,
              static_cast<double>(came), static_cast<double>(expected));
      }
  });
}

template <class T>
void check_packing() {
  for (Index width = 1; width <= 3 * tile_vectors * lanes<T>; ++width) check_panels<T>(width);
  for (Index width : {Index(1), lanes<T>, lanes<T> + 1, tile_vectors * lanes<T>, tile_vectors * lanes<T> + 3})
    for (Index depth : {1, 63, 64, 65, 130}) check_transposed<T>(width, depth);
  for (Index width = 1; width <= tile_vectors * lanes<T>; ++width) check_row<T>(width);
  for (Index columns : {1, 5, 6, 7, 19, 95, 96, 97, 200}) check_strips<T>(columns, 5);
}

void test_packing() {
  check_packing<float>();
  check_packing<double>();
}
