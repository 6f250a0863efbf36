// Activations against the same functions in long double: the error in units of the last place, and the extremes.

using Function = long double (*)(long double);

template <class T>
using Activation = Vector<T> (*)(Vector<T>);

template <class T>
T value_of(Activation<T> activation, T x) {
  return activation(splat<T>(x))[lanes<T> - 1];
}

// The distance from the true value in steps of T at that value; below the normal range a step is as large as there.
template <class T>
long double ulps(T came, long double truth) {
  int exponent = 0;
  std::frexp(truth, &exponent);
  const int lowest = std::numeric_limits<T>::min_exponent;
  const int step = (exponent > lowest ? exponent : lowest) - std::numeric_limits<T>::digits;
  return std::fabs(static_cast<long double>(came) - truth) / std::ldexp(1.0L, step);
}

// Arguments of every size up to `bound`, of both signs: as many small ones as large ones, and the evenly spread.
template <class T>
std::vector<T> arguments(T low, T high, int count) {
  std::mt19937_64 random(1);
  std::vector<T> list;
  const T size = -low > high ? -low : high;
  const T least = std::log2(std::numeric_limits<T>::min()) + 2, most = std::log2(size);
  std::uniform_real_distribution<T> even(low, high), exponent(least, most);
  while (static_cast<int>(list.size()) < count) {
    list.push_back(even(random));
    const T x = std::exp2(exponent(random));
    for (T signed_x : {x, -x})
      if (low <= signed_x && signed_x <= high) list.push_back(signed_x);
  }
  return list;
}

template <class T>
void check_accuracy(const char* name, Activation<T> activation, Function truth, T low, T high, long double bound) {
  const std::vector<T> list = arguments<T>(low, high, 60'000);
  long double worst = 0;
  T at = 0;
  for (std::size_t i = 0; i + lanes<T> <= list.size(); i += lanes<T>) {
    const Vector<T> y = activation(load(&list[i]));
    for (Index lane = 0; lane < lanes<T>; ++lane) {
      const T x = list[i + static_cast<std::size_t>(lane)];
      const long double error = ulps<T>(y[lane], truth(x));
      if (!(error <= worst)) worst = error, at = x;
    }
  }
  CHECK(worst <= bound, "%s of %zu bytes is %.3Lf ulp off at %.17g, bound %.1Lf", name, sizeof(T), worst,
        static_cast<double>(at), bound);
}

long double true_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double true_elu(long double x) { return x > 0 ? x : std::expm1(x); }
long double true_relu(long double x) { return x > 0 ? x : 0; }
long double true_exp(long double x) { return std::exp(x); }
long double true_tanh(long double x) { return std::tanh(x); }
long double true_log(long double x) { return std::log(x); }

template <class T>
void check_range() {
  const bool is_float = sizeof(T) == 4;
  const T last = is_float ? T(87) : T(708), smallest = std::numeric_limits<T>::min();
  check_accuracy<T>("exp", exp<T>, true_exp, -last, last, 1.5L);
  check_accuracy<T>("sigmoid", sigmoid<T>, true_sigmoid, -last, last, 3);
  check_accuracy<T>("tanh", tanh<T>, true_tanh, T(-25), T(25), 3);
  check_accuracy<T>("elu", elu<T>, true_elu, -last, last, 1.5L);
  check_accuracy<T>("relu", relu<T>, true_relu, -last, last, 0);
  check_accuracy<T>("log", log<T>, true_log, smallest, T(1e30), 1);
  check_accuracy<T>("exp below the normal range", exp<T>, true_exp, is_float ? T(-105) : T(-750), -last, 1.5L);
}

// What torch gives at the ends; where sigmoid would fall below the normal range it is 0.
template <class T>
void check_extremes() {
  const T infinity = std::numeric_limits<T>::infinity(), largest = std::numeric_limits<T>::max();
  const T smallest = std::numeric_limits<T>::min();
  struct Row {
    const char* name;
    Activation<T> activation;
    T x, low, high;
  };
  const Row rows[] = {
      {"exp", exp<T>, infinity, infinity, infinity},
      {"exp", exp<T>, largest, infinity, infinity},
      {"exp", exp<T>, -infinity, 0, 0},
      {"exp", exp<T>, -largest, 0, 0},
      {"exp", exp<T>, 0, 1, 1},
      {"sigmoid", sigmoid<T>, infinity, 1, 1},
      {"sigmoid", sigmoid<T>, largest, 1, 1},
      {"sigmoid", sigmoid<T>, -infinity, 0, 0},
      {"sigmoid", sigmoid<T>, -largest, 0, 0},
      {"sigmoid", sigmoid<T>, 0, T(0.5), T(0.5)},
      {"tanh", tanh<T>, infinity, 1, 1},
      {"tanh", tanh<T>, largest, 1, 1},
      {"tanh", tanh<T>, -infinity, -1, -1},
      {"tanh", tanh<T>, -largest, -1, -1},
      {"tanh", tanh<T>, 0, 0, 0},
      {"tanh", tanh<T>, 4 * smallest, 4 * smallest, 4 * smallest},
      {"elu", elu<T>, infinity, infinity, infinity},
      {"elu", elu<T>, largest, largest, largest},
      {"elu", elu<T>, -infinity, -1, -1},
      {"elu", elu<T>, -largest, -1, -1},
      {"elu", elu<T>, 0, 0, 0},
      {"relu", relu<T>, infinity, infinity, infinity},
      {"relu", relu<T>, -infinity, 0, 0},
      {"log", log<T>, infinity, infinity, infinity},
      {"log", log<T>, 0, -infinity, -infinity},
      {"log", log<T>, 1, 0, 0},
      {"step", step<T>, smallest, 1, 1},
      {"step", step<T>, 0, 0, 0},
      {"step", step<T>, -smallest, 0, 0},
  };
  for (const Row& row : rows) {
    const T y = value_of<T>(row.activation, row.x);
    CHECK(y >= row.low && y <= row.high, "%s(%g) of %zu bytes gave %g", row.name, static_cast<double>(row.x), sizeof(T),
          static_cast<double>(y));
  }
}

template <class T>
bool is_nan(Vector<T> v) {
  for (Index lane = 0; lane < lanes<T>; ++lane)
    if (!std::isnan(v[lane])) return false;
  return true;
}

template <class T>
void check_nan() {
  const Vector<T> nan = splat<T>(std::numeric_limits<T>::quiet_NaN()), one = splat<T>(1);
  CHECK(is_nan<T>(exp<T>(nan)), "exp of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(sigmoid<T>(nan)), "sigmoid of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(tanh<T>(nan)), "tanh of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(elu<T>(nan)), "elu of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(relu<T>(nan)), "relu of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(log<T>(nan)) && is_nan<T>(log<T>(-one)), "log of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(maximum<T>(nan, one)) && is_nan<T>(maximum<T>(one, nan)), "maximum of %zu bytes lost a NaN", sizeof(T));
  CHECK(is_nan<T>(minimum<T>(nan, one)) && is_nan<T>(minimum<T>(one, nan)), "minimum of %zu bytes lost a NaN", sizeof(T));
}

template <class T>
void check_pairs() {
  const T values[] = {T(-2), T(-0.5), T(0), T(0.5), T(3)};
  for (T a : values)
    for (T b : values) {
      const T high = maximum<T>(splat(a), splat(b))[0], low = minimum<T>(splat(a), splat(b))[0];
      const T share = above<T>(splat(a), splat(b))[0], expected = a > b ? T(1) : a == b ? T(0.5) : T(0);
      CHECK(high == (a > b ? a : b) && low == (a < b ? a : b) && share == expected, "of (%g, %g): %g, %g, %g",
            static_cast<double>(a), static_cast<double>(b), static_cast<double>(high), static_cast<double>(low),
            static_cast<double>(share));
      const T infinity = std::numeric_limits<T>::infinity();
      const T half = shared<T>(splat(infinity), splat(a), splat(b))[0], whole = passed<T>(splat(infinity), splat(a))[0];
      CHECK(half == (a < b ? T(0) : infinity) && whole == (a > 0 ? infinity : T(0)), "behind (%g, %g): %g, %g",
            static_cast<double>(a), static_cast<double>(b), static_cast<double>(half), static_cast<double>(whole));
      CHECK(shared<T>(splat(T(3)), splat(a), splat(b))[0] == 3 * share, "behind maximum of (%g, %g)",
            static_cast<double>(a), static_cast<double>(b));
    }
}

void test_activations() {
  check_range<float>();
  check_range<double>();
  check_extremes<float>();
  check_extremes<double>();
  check_nan<float>();
  check_nan<double>();
  check_pairs<float>();
  check_pairs<double>();
}
