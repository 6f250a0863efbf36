// The arithmetic of one window against double, for every number of inputs and outputs, in memory full of NaN.

// Aligned rows with a NaN row between any two, so that reading or writing beyond one shows.
struct GuardedRows {
  Index stride;
  std::vector<float> memory;
  std::vector<float*> row;

  GuardedRows(Index count, Index d, Index wide, std::mt19937& random)
      : stride(wide), memory(static_cast<std::size_t>((2 * count + 1) * wide + 16), NAN) {
    std::uniform_real_distribution<float> even(-0.5f, 0.5f);
    float* at = memory.data();
    while (reinterpret_cast<std::uintptr_t>(at) % 64) ++at;
    for (Index k = 0; k < count; ++k) {
      row.push_back(at + (2 * k + 1) * wide);
      for (Index i = 0; i < wide; ++i) row.back()[i] = i < d ? even(random) : 0.f;
    }
  }
  bool guards_hold() const {
    std::size_t nans = 0;
    for (float x : memory) nans += std::isnan(x);
    return nans == memory.size() - row.size() * static_cast<std::size_t>(stride);
  }
};

using Doubles = std::vector<std::vector<double>>;

Doubles doubles_of(const GuardedRows& rows) {
  Doubles copy;
  for (const float* row : rows.row) copy.emplace_back(row, row + rows.stride);
  return copy;
}

double difference(const Doubles& truth, const GuardedRows& rows) {
  double worst = 0;
  for (std::size_t k = 0; k < truth.size(); ++k)
    for (std::size_t i = 0; i < truth[k].size(); ++i)
      worst = std::fmax(worst, std::fabs(truth[k][i] - static_cast<double>(rows.row[k][i])));
  return worst;
}

void check_window(Index m, Index n, Index d, Index stride, bool weighted, std::mt19937& random) {
  GuardedRows x(m, d, stride, random), y(n, d, stride, random), partial(m, d, stride, random);
  std::vector<float> c(static_cast<std::size_t>(m), 1), w(static_cast<std::size_t>(n), 1);
  std::vector<unsigned char> label(static_cast<std::size_t>(n));
  for (auto& one : label) one = random() % 2;
  if (weighted)
    for (auto* list : {&c, &w})
      for (float& one : *list) one = static_cast<float>(1 + random() % 3);
  Doubles new_x = doubles_of(x), new_y = doubles_of(y);
  const Doubles old_x = new_x, old_y = new_y;
  const float lr = 0.25f;
  for (std::size_t i = 0; i < old_x.size(); ++i)
    for (std::size_t k = 0; k < old_y.size(); ++k) {
      double s = 0;
      for (std::size_t a = 0; a < old_x[i].size(); ++a) s += old_x[i][a] * old_y[k][a];
      const double e = static_cast<double>(lr) * static_cast<double>(c[i] * w[k]) * (label[k] - 1 / (1 + std::exp(-s)));
      for (std::size_t a = 0; a < old_x[i].size(); ++a) {
        new_x[i][a] += e * old_y[k][a];
        new_y[k][a] += e * old_x[i][a];
      }
    }
  for (float* row : partial.row) std::fill(row, row + stride, NAN);
  std::vector<float> room(static_cast<std::size_t>(padded(m * n) + 16), NAN);
  float* e = room.data();
  while (reinterpret_cast<std::uintptr_t>(e) % 64) ++e;
  const std::vector<const float*> in(x.row.begin(), x.row.end());
  train_window({in.data(), in.data(), x.row.data(), c.data(), m, y.row.data(), w.data(), label.data(), n, stride, weighted},
               lr, e, partial.row.data());
  const double worst = std::fmax(difference(new_x, x), difference(new_y, y));
  CHECK(worst < 1e-5, "%td inputs, %td outputs of %td numbers: %g off", m, n, d, worst);
  CHECK(x.guards_hold() && y.guards_hold(), "%td inputs, %td outputs: written beyond a row", m, n);
}

void test_window() {
  std::mt19937 random(2);
  const Index sizes[][2] = {{1, 16}, {16, 16}, {20, 32}, {100, 112}};
  for (Index m = 1; m <= 11; ++m)
    for (Index n : {1, 2, 3, 4, 5, 6, 7, 12, 13, 20})
      for (const auto& [d, stride] : sizes)
        for (bool weighted : {false, true}) check_window(m, n, d, stride, weighted, random);
}

// Training from scratch memory full of NaN gives the same bits as from zeros: nothing is read before it is written.
void test_scratch() {
  std::mt19937 random(3);
  constexpr Index words = 9, stride = 16;
  std::vector<std::int32_t> ids;
  for (int k = 0; k < 400; ++k) ids.push_back(random() % 11 ? static_cast<std::int32_t>(random() % words) : embedding::sentence_end);
  const std::int64_t blocks[] = {0, static_cast<std::int64_t>(ids.size())};
  const std::vector<std::uint32_t> keep(words, 0xe0000000u);
  std::vector<embedding::NoiseCell> noise;
  for (int k = 0; k < words; ++k) noise.push_back({0x80000000u, static_cast<std::int32_t>((k + 1) % words)});
  for (bool cbow : {false, true})
    for (std::int64_t negatives : {5, 11}) {
      std::vector<std::vector<float>> results;
      for (int fill : {0, 0xff}) {
        std::mt19937 again(4);
        GuardedRows x(words, 10, stride, again), y(words, 10, stride, again);
        std::vector<float> in(words * stride + 16), out(words * stride + 16);
        float *a = in.data(), *b = out.data();
        while (reinterpret_cast<std::uintptr_t>(a) % 64) ++a;
        while (reinterpret_cast<std::uintptr_t>(b) % 64) ++b;
        for (Index k = 0; k < words; ++k)
          for (Index i = 0; i < stride; ++i) a[k * stride + i] = x.row[k][i], b[k * stride + i] = y.row[k][i];
        Job job{};
        job.ids = ids.data();
        job.blocks = blocks;
        job.block_count = 1;
        job.words = words;
        job.keep = keep.data();
        job.noise = noise.data();
        job.input = a;
        job.output = b;
        job.stride = stride;
        job.cbow = cbow;
        job.mean = job.shared = true;
        job.window = 4;
        job.negatives = negatives;
        job.lr = 0.05;
        job.total = blocks[1];
        std::vector<char> memory(scratch_of(job) + 64, static_cast<char>(fill));
        char* scratch = memory.data();
        while (reinterpret_cast<std::uintptr_t>(scratch) % 64) ++scratch;
        train_block(job, 0, scratch);
        results.emplace_back(a, a + words * stride);
        results.back().insert(results.back().end(), b, b + words * stride);
      }
      CHECK(results[0] == results[1], "cbow %d, %d negatives: scratch memory shows", cbow, static_cast<int>(negatives));
    }
}
