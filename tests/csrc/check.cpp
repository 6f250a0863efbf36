#include "check.hpp"

#include <cstdarg>
#include <cstdio>

namespace carousel::tests {

namespace {
constexpr long most_printed = 10;
}

void fail(const char* file, int line, const char* rule, const char* format, ...) {
  if (++tally().failed > most_printed) return;
  std::printf("%s:%d: failed: %s: ", file, line, rule);
  va_list values;
  va_start(values, format);
  std::vprintf(format, values);
  va_end(values);
  std::printf("\n");
}

Tally& tally() {
  static Tally instance;
  return instance;
}

}  // namespace carousel::tests
