#include "trainer.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "../dispatch.hpp"
#include "../memory.hpp"
#include "../threads.hpp"

namespace carousel {

#define EMBEDDING(isa)                               \
  namespace isa {                                    \
  extern const embedding::Kernels embedding_kernels; \
  }
#if defined(__x86_64__)
EMBEDDING(avx512_amx)
EMBEDDING(avx512_bf16)
EMBEDDING(avx512)
EMBEDDING(avx2)
#elif defined(__aarch64__)
EMBEDDING(neon)
#endif
#if !defined(__aarch64__)
EMBEDDING(baseline)
#endif

namespace embedding {

const Kernels& chosen() {
  static const Kernels* const all[] = {
#if defined(__x86_64__)
      &avx512_amx::embedding_kernels, &avx512_bf16::embedding_kernels, &avx512::embedding_kernels, &avx2::embedding_kernels, &baseline::embedding_kernels,
#elif defined(__aarch64__)
      &neon::embedding_kernels,
#else
      &baseline::embedding_kernels,
#endif
  };
  for (const Kernels* kernels : all)
    if (!std::strcmp(kernels->name, carousel::chosen().name)) return *kernels;
  return *all[0];  // not reached: both lists come from the same build
}

namespace {

// Memory for each member of a team, apart by whole pages.
class Scratch {
 public:
  Scratch(const Job& job, int threads)
      : each_((chosen().scratch(job) + page - 1) / page * page), memory_(each_ * static_cast<std::size_t>(threads)) {}
  ~Scratch() { Memory::keep(std::move(memory_)); }
  char* of(int id) const { return memory_.data() + each_ * static_cast<std::size_t>(id); }

 private:
  static constexpr std::size_t page = 4096;
  std::size_t each_;
  Memory memory_;
};

}  // namespace

void train(const Job& job, std::int64_t first_block, std::int64_t last_block, int threads) {
  const Kernels& kernels = chosen();
  const Scratch scratch(job, threads);
  std::atomic<std::int64_t> next{first_block};
  run_team(threads, [&](int id, int) {
    for (std::int64_t block; (block = next.fetch_add(1)) < last_block;) kernels.train(job, block, scratch.of(id));
  });
}

Loss held_out_loss(const Job& job, const std::vector<std::int64_t>& sentences, int threads) {
  constexpr std::size_t share = 64;  // sentences at a time, so that the sum does not depend on the team
  const Kernels& kernels = chosen();
  const Scratch scratch(job, threads);
  std::vector<Loss> parts((sentences.size() + share - 1) / share);
  std::atomic<std::size_t> next{0};
  run_team(threads, [&](int id, int) {
    for (std::size_t part; (part = next.fetch_add(1)) < parts.size();) {
      const std::size_t begin = part * share, count = std::min(share, sentences.size() - begin);
      parts[part] = kernels.loss(job, sentences.data() + begin, static_cast<Index>(count), scratch.of(id));
    }
  });
  Loss loss{0, 0};
  for (const Loss& part : parts) loss.sum += part.sum, loss.count += part.count;
  return loss;
}

void listen(const Job& job, std::int64_t block, const Listener& listener) {
  const Scratch scratch(job, 1);
  chosen().listen(job, block, scratch.of(0), listener);
}

std::vector<std::int64_t> held_out_sentences(const Job& job, std::int64_t most_words) {
  std::vector<std::int64_t> found;
  std::int64_t words = 0;
  for (std::int64_t block = 0; block < job.block_count; ++block) {
    const std::int64_t end = job.blocks[block + 1];
    for (std::int64_t begin = job.blocks[block]; begin < end;) {
      const std::int64_t limit = std::min(end, begin + longest_sentence);
      std::int64_t at = begin;
      while (at < limit && job.ids[at] != sentence_end) ++at;
      if (at - begin > 1 && is_held_out(job, begin)) {
        found.push_back(begin);
        words += at - begin;
        if (words >= most_words) return found;
      }
      begin = at < end && job.ids[at] == sentence_end ? at + 1 : at;
    }
  }
  return found;
}

std::vector<std::int64_t> cut_blocks(const std::int32_t* ids, std::int64_t tokens, std::int64_t size) {
  std::vector<std::int64_t> cuts{0};
  for (std::int64_t at = std::min(size, tokens); at < tokens; at = std::min(at + size, tokens)) {
    const std::int64_t limit = std::min(tokens, at + longest_sentence);
    while (at < limit && ids[at - 1] != sentence_end) ++at;
    if (at < tokens) cuts.push_back(at);
  }
  cuts.push_back(tokens);
  return cuts;
}

}  // namespace embedding
}  // namespace carousel
