// One step at a time: weights packed once, the state kept between steps, nothing allocated on the way.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "memory.hpp"

namespace carousel {

// A stack of layers in one direction, for `batch` sequences side by side.
template <class T>
class Stepper {
 public:
  // For each layer its packed parameters (null: no bias); they are copied, not referred to.
  Stepper(const Program& program, const std::string& key, Index batch, Index inputs, Index hidden, int threads,
          const std::vector<std::vector<const T*>>& layers);

  Stepper(const Stepper&) = delete;  // its layers point into it
  Stepper& operator=(const Stepper&) = delete;

  void step();  // from `input` and the states to `output` and the states

  T* input() { return input_.data(); }    // (B, I)
  T* output() { return output_->data(); }  // (B, H) of the last layer
  T* state(Index layer, Index s) { return layers_[layer]->states[s].data(); }  // (B, H)

 private:
  struct Layer {
    std::vector<T> output;
    std::vector<std::vector<T>> states;
    std::vector<const T*> initial;
    std::vector<T*> final;
    std::vector<const T*> parameters;
    std::map<int, std::vector<T>> learned;  // parameters read at every step; all others are packed
    Index input_offset = 0, first = 0, rows = 0;
    std::unique_ptr<Memory> memory;
  };

  Program program_;
  const Walk<T>* walk_;
  int threads_;
  std::vector<T> input_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<T>* output_;
};

}  // namespace carousel
