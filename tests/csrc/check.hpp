// One macro to check with. A failed check is printed and counted; the test goes on.
#pragma once

namespace carousel::tests {

// Prints the first few failures of a test, with the numbers behind them.
__attribute__((format(printf, 4, 5))) void fail(const char* file, int line, const char* rule, const char* format, ...);

// How many checks have been made and how many have failed so far, in the whole process.
struct Tally {
  long made = 0, failed = 0;
};
Tally& tally();

}  // namespace carousel::tests

// CHECK(rule, "what came: %d", value)
#define CHECK(rule, ...)                                                              \
  do {                                                                                \
    ++::carousel::tests::tally().made;                                                \
    if (!(rule)) ::carousel::tests::fail(__FILE__, __LINE__, #rule, __VA_ARGS__);      \
  } while (false)
