// What training word vectors works on: a text of ids, a vocabulary, two matrices, and the options. Plain data.
//
// Alphabet: m inputs and n outputs of one window, d numbers in a vector. Rows of both matrices are whole cache lines; what
// lies beyond d is zero and stays zero.
#pragma once

#include <cstddef>
#include <cstdint>

namespace carousel::embedding {

using Index = std::ptrdiff_t;

constexpr std::int32_t sentence_end = -1;  // in the text, between ids
constexpr Index longest_sentence = 10'000; // longer ones are cut, as elsewhere
constexpr Index row_floats = 16;           // rows begin at a multiple of so many numbers

// One cell of the alias table: draw a cell evenly, then take it or the other word.
struct NoiseCell {
  std::uint32_t threshold;  // the chance to take the cell's own word, in 2^-32
  std::int32_t other;
};

struct Job {
  // the text: sentences begin at a block's first token and after each sentence_end
  const std::int32_t* ids;
  const std::int64_t* blocks;  // (block_count + 1) first token of each block
  std::int64_t block_count;

  // the vocabulary
  std::int64_t words;
  const std::uint32_t* keep;        // (words) chance to stay in the text, in 2^-32; all ones: always
  const NoiseCell* noise;           // (words) or null
  const std::int64_t* path_begin;   // (words + 1) into path, or null: the inner nodes of the Huffman tree above a word
  const std::int32_t* path;         // 2 * node + 1 where the prediction should be "yes", else 2 * node
  std::int64_t longest_path;

  // the weights
  float* input;   // (words, stride)
  float* output;  // (words or inner nodes, stride)
  std::int64_t stride;

  // how
  bool cbow, mean, shared;
  std::int64_t window, negatives;
  double lr;
  std::int64_t position, total;  // tokens trained in earlier epochs; in all epochs
  std::uint64_t seed;            // of this epoch
  std::uint64_t held_out_seed;
  std::uint32_t held_out;        // the share of sentences that is not trained on, in 2^-32
};

// Random numbers by counting and mixing (splitmix64: Steele, Lea, Flood 2014): any place of the text has its own sequence.
inline std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The learning rate falls linearly over the whole training, to a ten-thousandth.
inline double lr_at(const Job& job, std::int64_t token) {
  const double left = 1.0 - static_cast<double>(job.position + token) / static_cast<double>(job.total);
  return job.lr * (left > 1e-4 ? left : 1e-4);
}

// Whether the sentence that begins at this token is kept for the loss instead of training.
inline bool is_held_out(const Job& job, std::int64_t begin) {
  return static_cast<std::uint32_t>(mixed(job.held_out_seed + static_cast<std::uint64_t>(begin)) >> 32) < job.held_out;
}

}  // namespace carousel::embedding
