// Sums over lanes and rows that race: each number goes where it should, and nothing else is touched.

template <int Count>
void check_sums(std::mt19937& random) {
  std::uniform_real_distribution<float> even(-1, 1);
  Vector<float> v[Count];
  double truth[Count];
  for (int k = 0; k < Count; ++k) {
    truth[k] = 0;
    for (Index lane = 0; lane < lanes<float>; ++lane) truth[k] += static_cast<double>(v[k][lane] = even(random));
  }
  float to[64];
  for (float& x : to) x = -77;
  store_sums<Count>(v, to);
  for (int k = 0; k < Count; ++k)
    CHECK(std::fabs(static_cast<double>(to[k]) - truth[k]) < 1e-5, "sum %d of %d is %g, not %g", k, Count,
          static_cast<double>(to[k]), truth[k]);
  const Index last = (Count + lanes<float> - 1) / lanes<float> * lanes<float>;
  for (Index k = last; k < 64; ++k) CHECK(to[k] == -77.f, "of %d sums, number %td was written", Count, k);
}

void test_sums() {
  std::mt19937 random(1);
  check_sums<1>(random);
  check_sums<2>(random);
  check_sums<3>(random);
  check_sums<4>(random);
  check_sums<5>(random);
  check_sums<6>(random);
  check_sums<10>(random);
  check_sums<12>(random);
  check_sums<16>(random);
  check_sums<18>(random);
  check_sums<24>(random);
}

void test_racing() {
  alignas(64) float from[64], to[64];
  for (int k = 0; k < 64; ++k) from[k] = static_cast<float>(k), to[k] = -1;
  for (Index at = 0; at + lanes<float> <= 32; at += lanes<float>) put(to + at, fetch(from + at));
  for (int k = 0; k < 64; ++k)
    CHECK(to[k] == (k < 32 ? static_cast<float>(k) : -1.f), "number %d is %g", k, static_cast<double>(to[k]));
}
