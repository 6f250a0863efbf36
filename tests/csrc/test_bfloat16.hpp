// Numbers rounded to bfloat16 and back: the nearest one, ties to even; infinities and NaN stay; lanes hold two in order.

inline float as_float(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// by comparing the distances to both neighbours
inline std::uint32_t nearest(float value) {
  const std::uint32_t below = bits_of(value) >> 16, above = below + 1;
  const double to_below = std::fabs(double(value) - double(as_float(below << 16)));
  const double to_above = std::fabs(double(as_float(above << 16)) - double(value));
  if (to_below == to_above) return below % 2 ? above : below;
  return to_below < to_above ? below : above;
}

void check_rounding() {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::uint32_t bits = static_cast<std::uint32_t>(random());
    if (round % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;  // a tie
    const std::uint32_t exponent = bits >> 23 & 0xffu;
    if (exponent == 0 || exponent >= 0xfe) continue;  // denormal, next to infinity, infinite or NaN
    const float value = as_float(bits);
    const std::uint32_t came = rounded(splat<float>(value))[0];
    CHECK(came == nearest(value), "%a rounds to %x, not %x", double(value), came, nearest(value));
  }
  for (float value : {0.f, 1.f, -2.5f, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    CHECK(rounded(splat<float>(value))[0] == bits_of(value) >> 16, "%g does not stay", double(value));
  for (std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu}) {
    const float came = as_float(static_cast<std::uint32_t>(rounded(splat<float>(as_float(bits)))[0]) << 16);
    CHECK(came != came, "the NaN %x became %g", bits, double(came));
  }
}

// A row becomes lanes of two neighbours, zero behind the last up to a whole step of depth; nothing is written behind that.
void check_lanes() {
  for (Index depth = 1; depth < 3 * lanes<float> + 2; ++depth) {
    std::vector<float> row;
    for (Index k = 0; k < depth; ++k) row.push_back(static_cast<float>(k + 1));
    const Index count = deep<Pair>(depth);
    std::vector<Pair> came(static_cast<std::size_t>(count + 1), Pair{77});
    Lane<Pair>::along(row.data(), depth, came.data());
    for (Index k = 0; k < 2 * count; ++k) {
      const std::uint32_t half = came[static_cast<std::size_t>(k / 2)].bits >> (k % 2 ? 16 : 0) & 0xffffu;
      const float expected = k < depth ? static_cast<float>(k + 1) : 0.f;
      CHECK(as_float(half << 16) == expected, "number %td of %td is %g", k, depth, double(as_float(half << 16)));
    }
    CHECK(came.back().bits == 77, "a row of %td writes behind its end", depth);
  }
}

void test_bfloat16() {
  check_rounding();
  check_lanes();
}
