// From UTF-8 text to ids of words, which are numbered and counted as they come.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace carousel::embedding {

// Words and how often each came, numbered in the order of their first coming. Open addressing; the bytes lie in one string.
class WordTable {
 public:
  WordTable();
  std::int32_t number(std::string_view word);  // adds it if it is new
  void count(std::int32_t word) { ++counts_[static_cast<std::size_t>(word)]; }
  std::size_t size() const { return counts_.size(); }
  std::string_view word(std::size_t number) const;
  const std::vector<std::int64_t>& counts() const { return counts_; }

 private:
  void grow();
  struct Slot {
    std::uint32_t hash;
    std::int32_t number;  // -1: free
  };
  std::vector<Slot> slots_;
  std::string bytes_;
  std::vector<std::size_t> begin_;  // (size + 1) where each word begins in bytes_
  std::vector<std::int64_t> counts_;
};

enum class TokenKind { spaces, words, identifiers };
enum class SentenceKind { line, paragraph, file };

class Tokeniser {
 public:
  Tokeniser(TokenKind tokens, SentenceKind sentences) : tokens_(tokens), sentences_(sentences) {}

  // A piece of text that ends between two tokens. Letters other than ASCII must be lower case already where that is wanted.
  void feed(std::string_view text);
  void end_sentence();
  void add(std::string_view token);
  std::vector<std::int32_t> take();  // the ids since the last call
  const WordTable& words() const { return words_; }

 private:
  void line_end();
  void split_identifier(std::string_view identifier);
  TokenKind tokens_;
  SentenceKind sentences_;
  WordTable words_;
  std::vector<std::int32_t> ids_;
  bool in_sentence_ = false, line_is_empty_ = true;
  std::string buffer_;
};

}  // namespace carousel::embedding
