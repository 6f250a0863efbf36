// Word vectors on one instruction set, as csrc/embedding builds them, and the tests of their parts in the same namespace.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include CAROUSEL_EMBEDDING_SOURCE

#include "check.hpp"
#include "tests.hpp"

namespace carousel::ISA {
namespace {

#include "test_sums.hpp"
#include "test_window.hpp"

}  // namespace

extern const tests::Test embedding_tests[];
const tests::Test embedding_tests[] = {
    {"sums", test_sums}, {"racing", test_racing}, {"window", test_window}, {"scratch", test_scratch}, {nullptr, nullptr},
};

}  // namespace carousel::ISA
