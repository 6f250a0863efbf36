// The multiply-add peak of this machine: what every other speed is a share of.
#pragma once

#include <string>

namespace carousel {

// In which numbers: "float32", "float64", or "bfloat16" summed in float32.
// FLOP/s (two for each multiply-add) of a team of `threads` on the chosen instruction set, probed for `seconds`.
double multiply_add_peak(const std::string& numbers, int threads, double seconds);

}  // namespace carousel
