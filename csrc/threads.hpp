// Run one function on several threads at once.
#pragma once

#include <functional>

namespace carousel {

// Calls body(id, threads) on every thread of a team of at most `wanted`; returns when all are done. The team may be
// smaller than asked for.
void run_team(int wanted, const std::function<void(int id, int threads)>& body);

// "openmp" when the team is that of the OpenMP runtime already in the process, else "own".
const char* team_kind();

// Whether this process was forked after this library was loaded: an OpenMP team of its parent did not come along.
bool is_forked();

}  // namespace carousel
