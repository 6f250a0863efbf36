// A team of threads trains on a range of blocks; whose turn it is, is decided by who is free.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace carousel::embedding {

const Kernels& chosen();  // of the instruction set in use

void train(const Job& job, std::int64_t first_block, std::int64_t last_block, int threads);

// The loss of the predictions in the held-out sentences that begin at these tokens.
Loss held_out_loss(const Job& job, const std::vector<std::int64_t>& sentences, int threads);

// Where held-out sentences begin: those of at least two words, until they have so many words in all.
std::vector<std::int64_t> held_out_sentences(const Job& job, std::int64_t most_words);

// Tells the windows of one block as training would meet them.
void listen(const Job& job, std::int64_t block, const Listener& listener);

// The first tokens of blocks of about `size` tokens, which end where sentences do; then the number of tokens.
std::vector<std::int64_t> cut_blocks(const std::int32_t* ids, std::int64_t tokens, std::int64_t size);

}  // namespace carousel::embedding
