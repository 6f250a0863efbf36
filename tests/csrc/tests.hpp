// The list of tests: some are about the whole core, the others are compiled once for each instruction set.
#pragma once

namespace carousel::tests {

struct Test {
  const char* name;
  void (*run)();
};

void threads();  // test_threads.cpp: the team
void walk();     // test_walk.cpp: forward and backward with the kernels in use

}  // namespace carousel::tests
