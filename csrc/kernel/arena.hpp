// Memory of one call, taken in order from one block. With no block it only counts, so that the same code sizes it.
#pragma once

#include "../job.hpp"

namespace carousel::ISA {
namespace {

struct Arena {
  char* base;
  std::size_t used;

  template <class T>
  T* take(Index count) {
    const std::size_t begin = (used + 63) / 64 * 64;
    used = begin + sizeof(T) * static_cast<std::size_t>(count > 0 ? count : 0);
    return base ? reinterpret_cast<T*>(base + begin) : nullptr;
  }
  bool counting() const { return base == nullptr; }
};

}  // namespace
}  // namespace carousel::ISA
