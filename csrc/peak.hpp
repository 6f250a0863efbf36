// The multiply-add peak of this machine: what every other speed is a share of.
#pragma once

namespace carousel {

// FLOP/s (two for each multiply-add) of a team of `threads` on the chosen instruction set, probed for `seconds`.
double multiply_add_peak(bool is_double, int threads, double seconds);

}  // namespace carousel
