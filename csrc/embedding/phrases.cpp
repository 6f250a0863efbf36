#include "phrases.hpp"

#include "job.hpp"

namespace carousel::embedding {

namespace {

// Pairs and a number for each, by open addressing.
class PairTable {
 public:
  PairTable() : slots_(1 << 12, {free, 0}) {}

  std::int64_t& operator[](std::uint64_t pair) {
    std::size_t at = place(pair);
    if (slots_[at].pair == free) {
      if (2 * ++size_ > slots_.size()) {
        grow();
        at = place(pair);
      }
      slots_[at].pair = pair;
    }
    return slots_[at].number;
  }
  const std::int64_t* find(std::uint64_t pair) const {
    const Slot& slot = slots_[place(pair)];
    return slot.pair == free ? nullptr : &slot.number;
  }

 private:
  static constexpr std::uint64_t free = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t pair;
    std::int64_t number;
  };
  std::size_t place(std::uint64_t pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mixed(pair) & mask;
    while (slots_[at].pair != free && slots_[at].pair != pair) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size(), {free, 0});
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.pair != free) slots_[place(slot.pair)] = slot;
  }
  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

std::uint64_t pair_of(std::int32_t a, std::int32_t b) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32 | static_cast<std::uint32_t>(b);
}

}  // namespace

Phrases join_phrases(std::int32_t* ids, std::int64_t length, std::vector<std::int64_t> counts, std::int64_t min_count,
                     double threshold) {
  const auto frequent = [&](std::int32_t id) { return id >= 0 && counts[static_cast<std::size_t>(id)] >= min_count; };
  std::int64_t words = 0;
  for (std::int64_t count : counts) words += count;
  PairTable together;
  for (std::int64_t at = 1; at < length; ++at)
    if (frequent(ids[at - 1]) && frequent(ids[at])) ++together[pair_of(ids[at - 1], ids[at])];

  const auto is_phrase = [&](std::int32_t a, std::int32_t b) {
    if (!frequent(a) || !frequent(b)) return false;
    const std::int64_t* count = together.find(pair_of(a, b));
    const double apart = static_cast<double>(counts[static_cast<std::size_t>(a)]) * static_cast<double>(counts[static_cast<std::size_t>(b)]);
    return static_cast<double>(*count - min_count) / apart * static_cast<double>(words) > threshold;
  };
  Phrases phrases{{}, counts, 0};
  PairTable numbers;
  std::int64_t end = 0;
  for (std::int64_t at = 0; at < length; ++at) {
    if (at + 1 == length || !is_phrase(ids[at], ids[at + 1])) {
      ids[end++] = ids[at];
      continue;
    }
    std::int64_t& number = numbers[pair_of(ids[at], ids[at + 1])];  // 0: not named yet
    if (!number) {
      number = static_cast<std::int64_t>(phrases.counts.size());
      phrases.pairs.insert(phrases.pairs.end(), {ids[at], ids[at + 1]});
      phrases.counts.push_back(0);
    }
    --phrases.counts[static_cast<std::size_t>(ids[at])];
    --phrases.counts[static_cast<std::size_t>(ids[at + 1])];
    ++phrases.counts[static_cast<std::size_t>(number)];
    ids[end++] = static_cast<std::int32_t>(number);
    ++at;
  }
  phrases.length = end;
  return phrases;
}

std::int64_t renumber(std::int32_t* ids, std::int64_t length, const std::int32_t* numbers) {
  std::int64_t end = 0;
  for (std::int64_t at = 0; at < length; ++at) {
    const std::int32_t id = ids[at] >= 0 ? numbers[ids[at]] : sentence_end;
    if (ids[at] >= 0 ? id >= 0 : end > 0 && ids[end - 1] != sentence_end) ids[end++] = id;
  }
  return end;
}

}  // namespace carousel::embedding
