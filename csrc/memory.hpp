// Large blocks of memory that outlive the call that asked for them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace carousel {

constexpr std::size_t large_page = 2 << 20;

// Ask for large pages before memory is first touched: a fault for every 4 KB costs as much as filling them.
inline void prefer_large_pages([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(data) + large_page - 1) / large_page * large_page;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / large_page * large_page;
  if (data && begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // a wish
#endif
}

// Memory for packed weights and deltas, kept between calls: fresh pages cost more than the packing itself.
class Memory {
 public:
  explicit Memory(std::size_t bytes) {
    {
      const std::lock_guard<std::mutex> guard(lock());
      auto fits = std::find_if(idle().begin(), idle().end(), [&](const Memory& m) { return m.bytes_ >= bytes; });
      if (fits != idle().end()) {
        swap(*fits);
        idle().erase(fits);
        return;
      }
    }
    *this = fresh(bytes);
  }
  // None of those that lie idle, which may be larger: for what is held for long.
  static Memory fresh(std::size_t bytes) {
    Memory memory;
    const std::size_t page = bytes < large_page ? small_page : large_page;
    memory.bytes_ = (bytes + page - 1) / page * page;
    memory.data_ = static_cast<char*>(std::aligned_alloc(page, memory.bytes_));
    if (!memory.data_) throw std::bad_alloc();
    prefer_large_pages(memory.data_, memory.bytes_);
    return memory;
  }
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory() { std::free(data_); }

  char* data() const { return data_; }

  // Keep it for the next call, unless enough lies idle already: the largest stay.
  static void keep(Memory memory) {
    if (memory.bytes_ > most_bytes) return;
    const std::lock_guard<std::mutex> guard(lock());
    idle().push_back(std::move(memory));
    std::sort(idle().begin(), idle().end(), [](const Memory& a, const Memory& b) { return a.bytes_ < b.bytes_; });
    if (idle().size() > most_idle) idle().erase(idle().begin());
  }

 private:
  Memory() = default;
  static constexpr std::size_t small_page = 4096, most_idle = 4, most_bytes = 64 << 20;
  static std::mutex& lock() {
    static std::mutex instance;
    return instance;
  }
  static std::vector<Memory>& idle() {  // smallest first
    static std::vector<Memory> instance;
    return instance;
  }
  void swap(Memory& other) {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace carousel
