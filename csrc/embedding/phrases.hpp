// Ids rewritten in place: pairs of words that come together joined, rare words dropped.
#pragma once

#include <cstdint>
#include <vector>

namespace carousel::embedding {

// Which pairs became one word: word counts.size() + k is pair k. counts are of all words afterwards; length of the text.
struct Phrases {
  std::vector<std::int32_t> pairs;  // (K, 2)
  std::vector<std::int64_t> counts;
  std::int64_t length;
};

// Joins a b where (count(a b) - min_count) / (count(a) count(b)) * words > threshold (Mikolov et al. 2013), from the left.
Phrases join_phrases(std::int32_t* ids, std::int64_t length, std::vector<std::int64_t> counts, std::int64_t min_count,
                     double threshold);

// Replaces each id by numbers[id] and drops those that are negative there, and the ends of sentences that are empty then.
// Returns the length that is left.
std::int64_t renumber(std::int32_t* ids, std::int64_t length, const std::int32_t* numbers);

}  // namespace carousel::embedding
