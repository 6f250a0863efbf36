#include "tokens.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "job.hpp"

namespace carousel::embedding {

namespace {

// FNV-1a, eight bytes at a time, well mixed at the end
std::uint32_t hash_of(std::string_view word) {
  std::uint64_t hash = 0xcbf29ce484222325u ^ word.size();
  std::size_t at = 0;
  for (; at + 8 <= word.size(); at += 8) {
    std::uint64_t part;
    std::memcpy(&part, word.data() + at, 8);
    hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  for (; at < word.size(); ++at) hash = (hash ^ static_cast<unsigned char>(word[at])) * 0x100000001b3u;
  return static_cast<std::uint32_t>(mixed(hash) >> 32);
}

struct Letter {
  std::uint32_t code;
  int bytes;
};

// The code point at `at` of text that Python has encoded, so that it is valid UTF-8.
Letter letter_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t k) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + k])); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xe0) return {(first & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (first < 0xf0) return {(first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

bool is_space(std::uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_ascii_letter(std::uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_digit(std::uint32_t c) { return c >= '0' && c <= '9'; }

// Blocks of Unicode that hold marks, signs and pictures instead of letters.
struct Range {
  std::uint32_t first, last;
};
constexpr Range no_letters[] = {
    {0x80, 0xa9},     {0xab, 0xb1},     {0xb4, 0xb4},     {0xb6, 0xb8},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x2c2, 0x2df},   {0x37e, 0x37e},   {0x387, 0x387},   {0x55a, 0x55f},   {0x589, 0x58f},
    {0x5be, 0x5be},   {0x5c0, 0x5c0},   {0x5f3, 0x5f4},   {0x600, 0x60f},   {0x61b, 0x61f},   {0x66a, 0x66d},
    {0x6d4, 0x6d4},   {0x964, 0x965},   {0x2000, 0x206f}, {0x20a0, 0x20cf}, {0x2100, 0x214f}, {0x2190, 0x2bff},
    {0x2e00, 0x2e7f}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030}, {0x30fb, 0x30fb}, {0xfd3e, 0xfd3f},
    {0xfe10, 0xfe1f}, {0xfe30, 0xfe6f}, {0xfeff, 0xfeff}, {0xff01, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40},
    {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1faff}};

bool is_letter(std::uint32_t c) {
  if (c < 0x80) return is_ascii_letter(c) || is_digit(c) || c == '_';
  for (const Range& range : no_letters)
    if (c >= range.first && c <= range.last) return false;
  return true;
}

bool is_apostrophe(std::uint32_t c) { return c == '\'' || c == 0x2019; }
bool is_joiner(std::uint32_t c) { return c == 0x200c || c == 0x200d; }

}  // namespace

WordTable::WordTable() : slots_(1 << 12, {0, -1}), begin_{0} {}

std::string_view WordTable::word(std::size_t number) const {
  return std::string_view(bytes_).substr(begin_[number], begin_[number + 1] - begin_[number]);
}

std::int32_t WordTable::number(std::string_view word) {
  const std::uint32_t hash = hash_of(word);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].number >= 0; at = (at + 1) & mask)
    if (slots_[at].hash == hash && this->word(static_cast<std::size_t>(slots_[at].number)) == word)
      return slots_[at].number;
  if (size() >= INT32_MAX / 2) throw std::length_error("a text may have at most 2^30 different words");
  const auto fresh = static_cast<std::int32_t>(size());
  slots_[at] = {hash, fresh};
  bytes_.append(word);
  begin_.push_back(bytes_.size());
  counts_.push_back(0);
  if (2 * size() > slots_.size()) grow();
  return fresh;
}

void WordTable::grow() {
  std::vector<Slot> old(2 * slots_.size(), {0, -1});
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.number < 0) continue;
    std::size_t at = slot.hash & mask;
    while (slots_[at].number >= 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

void Tokeniser::add(std::string_view token) {
  const std::int32_t number = words_.number(token);
  words_.count(number);
  ids_.push_back(number);
  in_sentence_ = true;
  line_is_empty_ = false;
}

void Tokeniser::end_sentence() {
  if (in_sentence_) ids_.push_back(sentence_end);
  in_sentence_ = false;
  line_is_empty_ = true;
}

void Tokeniser::line_end() {
  if (sentences_ == SentenceKind::line || (sentences_ == SentenceKind::paragraph && line_is_empty_)) end_sentence();
  line_is_empty_ = true;
}

std::vector<std::int32_t> Tokeniser::take() {
  std::vector<std::int32_t> taken;
  taken.swap(ids_);
  return taken;
}

// HTTPServer_for2 -> http, server, for; single letters say nothing
void Tokeniser::split_identifier(std::string_view s) {
  const auto upper = [&](std::size_t k) { return s[k] >= 'A' && s[k] <= 'Z'; };
  const auto lower = [&](std::size_t k) { return s[k] >= 'a' && s[k] <= 'z'; };
  for (std::size_t begin = 0; begin < s.size();) {
    if (!upper(begin) && !lower(begin)) {
      ++begin;
      continue;
    }
    std::size_t end = begin + 1;
    while (end < s.size() && (upper(end) || lower(end))) {
      if (upper(end) && lower(end - 1)) break;                                             // fooBar
      if (upper(end) && end + 1 < s.size() && lower(end + 1) && upper(end - 1)) break;     // HTTPServer
      ++end;
    }
    if (end - begin > 1) {
      buffer_.assign(s.substr(begin, end - begin));
      for (char& c : buffer_) c = static_cast<char>(c | 0x20);
      add(buffer_);
    }
    begin = end;
  }
}

void Tokeniser::feed(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Letter letter = letter_at(text, at);
    if (letter.code == '\n') {
      line_end();
      ++at;
      continue;
    }
    const bool begins = tokens_ == TokenKind::spaces        ? !is_space(letter.code)
                        : tokens_ == TokenKind::identifiers ? is_ascii_letter(letter.code) || letter.code == '_'
                                                            : is_letter(letter.code);
    if (!begins) {
      at += static_cast<std::size_t>(letter.bytes);
      continue;
    }
    std::size_t end = at + static_cast<std::size_t>(letter.bytes);
    bool odd_apostrophe = false;
    while (end < text.size()) {
      const Letter next = letter_at(text, end);
      const std::size_t after = end + static_cast<std::size_t>(next.bytes);
      if (tokens_ == TokenKind::spaces ? is_space(next.code) : !is_letter(next.code)) {
        const bool joins = tokens_ == TokenKind::words && (is_apostrophe(next.code) || is_joiner(next.code)) &&
                           after < text.size() && is_letter(letter_at(text, after).code);
        if (!joins) break;
        odd_apostrophe |= next.code == 0x2019;
      }
      end = after;
    }
    const std::string_view token = text.substr(at, end - at);
    if (tokens_ == TokenKind::identifiers) {
      split_identifier(token);
    } else if (odd_apostrophe) {
      buffer_.clear();
      for (std::size_t k = 0; k < token.size();) {
        const Letter one = letter_at(token, k);
        one.code == 0x2019 ? buffer_.append("'") : buffer_.append(token.substr(k, static_cast<std::size_t>(one.bytes)));
        k += static_cast<std::size_t>(one.bytes);
      }
      add(buffer_);
    } else {
      add(token);
    }
    line_is_empty_ = false;
    at = end;
  }
}

}  // namespace carousel::embedding
