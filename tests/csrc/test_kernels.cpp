// The kernels of one instruction set, as csrc/isa builds them, and the tests of their parts in the same namespace.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include CAROUSEL_ISA_SOURCE

#include "check.hpp"
#include "tests.hpp"

namespace carousel::ISA {
namespace {

#include "test_activations.hpp"
#include "test_barrier.hpp"
#include "test_bfloat16.hpp"
#include "test_denormals.hpp"
#include "test_matmul.hpp"
#include "test_packing.hpp"

}  // namespace

extern const tests::Test tests[];
const tests::Test tests[] = {
    {"activations", test_activations}, {"matmul", test_matmul}, {"packing", test_packing}, {"bfloat16", test_bfloat16},
    {"barrier", test_barrier},         {"denormals", test_denormals}, {nullptr, nullptr},
};

}  // namespace carousel::ISA
