#include "tables.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace carousel::embedding {

std::vector<NoiseCell> alias_table(const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const std::size_t count = weights.size();
  std::vector<double> share(count);  // of a cell; 1 fills it
  std::vector<std::int32_t> small, large;
  for (std::size_t k = 0; k < count; ++k) {
    share[k] = weights[k] / sum * static_cast<double>(count);
    (share[k] < 1 ? small : large).push_back(static_cast<std::int32_t>(k));
  }
  std::vector<NoiseCell> cells(count);
  for (std::size_t k = 0; k < count; ++k) cells[k] = {0xffffffffu, static_cast<std::int32_t>(k)};
  while (!small.empty() && !large.empty()) {
    const auto poor = static_cast<std::size_t>(small.back()), rich = static_cast<std::size_t>(large.back());
    small.pop_back();
    cells[poor] = {static_cast<std::uint32_t>(std::min(share[poor] * 0x1p32, 0x1p32 - 1)), large.back()};
    share[rich] -= 1 - share[poor];
    if (share[rich] < 1) {
      small.push_back(large.back());
      large.pop_back();
    }
  }
  return cells;  // what is left in either list is full but for rounding
}

std::vector<std::uint32_t> keep_table(const std::vector<std::int64_t>& counts, double sample) {
  const double sum = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  std::vector<std::uint32_t> keep(counts.size(), 0xffffffffu);
  for (std::size_t k = 0; sample > 0 && k < counts.size(); ++k) {
    const double ratio = sample * sum / static_cast<double>(counts[k]);
    const double chance = std::sqrt(ratio) + ratio;
    if (chance < 1) keep[k] = static_cast<std::uint32_t>(chance * 0x1p32);
  }
  return keep;
}

Paths huffman_paths(const std::vector<std::int64_t>& counts) {
  const auto words = static_cast<std::int64_t>(counts.size());
  // leaves 0 .. words - 1, then inner nodes as they are made: both lists rise in count, so the two rarest are at their ends
  std::vector<std::int64_t> count(counts), parent(static_cast<std::size_t>(2 * words), -1);
  std::vector<char> second(static_cast<std::size_t>(2 * words), 0);
  count.resize(static_cast<std::size_t>(2 * words));
  std::int64_t leaf = words - 1, inner = words;
  for (std::int64_t made = words; made < 2 * words - 1; ++made) {
    const auto rarest = [&] {
      const bool is_leaf = leaf >= 0 && (inner == made || count[static_cast<std::size_t>(leaf)] <= count[static_cast<std::size_t>(inner)]);
      return static_cast<std::size_t>(is_leaf ? leaf-- : inner++);
    };
    const std::size_t one = rarest(), two = rarest();
    count[static_cast<std::size_t>(made)] = count[one] + count[two];
    parent[one] = parent[two] = made;
    second[two] = 1;
  }
  Paths paths;
  paths.begin.push_back(0);
  for (std::int64_t word = 0; word < words; ++word) {
    const std::size_t first = paths.path.size();
    for (auto node = static_cast<std::size_t>(word); parent[node] >= 0; node = static_cast<std::size_t>(parent[node]))
      paths.path.push_back(static_cast<std::int32_t>(2 * (parent[node] - words) + (second[node] ? 0 : 1)));
    std::reverse(paths.path.begin() + static_cast<std::ptrdiff_t>(first), paths.path.end());
    paths.begin.push_back(static_cast<std::int64_t>(paths.path.size()));
  }
  return paths;
}

}  // namespace carousel::embedding
