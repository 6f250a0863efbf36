// Inside the guard numbers below the normal range are zero, as operands and as results; outside all is as before.

template <class T>
void check_flush() {
  const volatile T smallest = std::numeric_limits<T>::min(), half = T(0.5);
  const volatile T below = smallest * half;
  CHECK(below > 0, "denormals of %zu bytes are flushed before the guard", sizeof(T));
  {
    const FlushDenormals flush;
    const volatile T result = smallest * half, operand = below / smallest;
    CHECK(result == 0 && operand == 0, "in the guard: %g and %g", static_cast<double>(result), static_cast<double>(operand));
    {
      const FlushDenormals again;
    }
    const volatile T after_inner = smallest * half;
    CHECK(after_inner == 0, "an inner guard of %zu bytes ended the outer one", sizeof(T));
  }
  const volatile T after = smallest * half;
  CHECK(after > 0, "denormals of %zu bytes are still flushed after the guard", sizeof(T));
}

void test_denormals() {
#if defined(__x86_64__) || defined(__aarch64__)
  check_flush<float>();
  check_flush<double>();
#else
  CHECK(true, "%s", "this machine has no such switch");
#endif
}
