// What training draws from and predicts along, made once from the counts of words.
#pragma once

#include <cstdint>
#include <vector>

#include "job.hpp"

namespace carousel::embedding {

// The alias method (Walker 1977; built as Vose 1991 does): a draw by weight for one even draw and one comparison.
std::vector<NoiseCell> alias_table(const std::vector<double>& weights);

// The chance of each word to stay in the text, in 2^-32 (Mikolov et al. 2013, as word2vec computes it): with f the share of
// the text that is this word, sqrt(sample / f) + sample / f.
std::vector<std::uint32_t> keep_table(const std::vector<std::int64_t>& counts, double sample);

// The Huffman tree over words whose counts do not rise: for each word the inner nodes from the root, as Job::path.
struct Paths {
  std::vector<std::int64_t> begin;
  std::vector<std::int32_t> path;
};
Paths huffman_paths(const std::vector<std::int64_t>& counts);

}  // namespace carousel::embedding
