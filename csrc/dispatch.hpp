// Which instruction set to run: the best this machine has of those built, or the one CAROUSEL_ISA names.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace carousel {

std::vector<const Kernels*> built();      // best first
bool runs_here(const Kernels& kernels);   // does this machine have the instructions?
const Kernels& chosen();                  // throws std::runtime_error if CAROUSEL_ISA cannot be followed
void choose(const std::string& name);     // for tests: another one, from the next call on

}  // namespace carousel
