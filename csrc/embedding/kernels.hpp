// The table through which everything else reaches the training code of one instruction set.
#pragma once

#include "job.hpp"

namespace carousel::embedding {

// Receives one window as it is trained on: the middle word, the words around it, and for negative sampling the noise
// words with their multiplicities. For tests and inspection.
struct Listener {
  void* to;
  void (*window)(void* to, std::int64_t token, std::int32_t middle, const std::int32_t* inputs, const float* input_weights,
                 Index m, const std::int32_t* outputs, const float* output_weights, Index n);
};

// A sum of losses over so many predictions.
struct Loss {
  double sum;
  double count;
};

struct Kernels {
  const char* name;
  std::size_t (*scratch)(const Job&);  // bytes that each thread needs
  void (*train)(const Job&, Index block, char* scratch);
  void (*listen)(const Job&, Index block, char* scratch, const Listener&);
  // the loss of the held-out sentences that begin at these tokens
  Loss (*loss)(const Job&, const std::int64_t* sentences, Index count, char* scratch);
};

}  // namespace carousel::embedding
