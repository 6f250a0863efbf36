#include "stepper.hpp"

#include <algorithm>
#include <stdexcept>

#include "dispatch.hpp"
#include "engine.hpp"
#include "threads.hpp"

namespace carousel {

template <class T>
Stepper<T>::Stepper(const Program& program, const std::string& key, Index batch, Index inputs, Index hidden,
                    int threads, const std::vector<std::vector<const T*>>& layers)
    : program_(program), walk_(&precision<T>(chosen()).forward), input_(batch * inputs), output_(&input_) {
  const CellKernels<T>* cell = find_cell<T>(chosen(), key);
  if (!cell) throw std::runtime_error("no kernel was built for the cell " + key);
  const Index parts = std::min<Index>(threads, batch);
  threads_ = static_cast<int>(threads / parts * parts);
  for (const std::vector<const T*>& parameters : layers) {
    auto layer = std::make_unique<Layer>();
    layer->output.assign(batch * hidden, T(0));
    layer->states.assign(program_.states, std::vector<T>(batch * hidden, T(0)));
    for (std::vector<T>& state : layer->states) {
      layer->initial.push_back(state.data());
      layer->final.push_back(state.data());
    }
    layer->parameters = parameters;
    for (const Row& vector : program_.learned) {
      std::vector<T>& copy = layer->learned[vector.parameter];
      const T* from = parameters[vector.parameter] + vector.row * hidden;
      copy.resize(std::max(copy.size(), static_cast<std::size_t>((vector.row + 1) * hidden)));
      std::copy(from, from + hidden, copy.begin() + vector.row * hidden);
      layer->parameters[vector.parameter] = copy.data();
    }
    layer->rows = batch;
    Job<T> job{};
    job.program = &program_;
    job.cell = cell;
    job.batch = batch;
    job.inputs = static_cast<Index>(output_->size()) / batch;
    job.hidden = hidden;
    job.threads = threads_;
    job.steps = {1, &layer->rows, &layer->first, &layer->input_offset, job.inputs};
    job.x = output_->data();
    job.parameters = layer->parameters.data();
    job.initial = layer->initial.data();
    job.output = layer->output.data();
    job.final = layer->final.data();
    layer->memory = std::make_unique<Memory>(walk_->prepare(job, nullptr));
    walk_->prepare(job, layer->memory->data());
    for (int id = 0; id < threads_; ++id) walk_->pack(layer->memory->data(), id);
    output_ = &layer->output;
    layers_.push_back(std::move(layer));
  }
}

template <class T>
void Stepper<T>::step() {
  for (const std::unique_ptr<Layer>& layer : layers_) {
    if (threads_ == 1) {
      walk_->walk(layer->memory->data(), 0);
      continue;
    }
    int granted = threads_;
    run_team(threads_, [&](int id, int size) {
      if (size == threads_)
        walk_->walk(layer->memory->data(), id);
      else if (id == 0)
        granted = size;
    });
    if (granted != threads_)
      throw std::runtime_error("the stepper was made for " + std::to_string(threads_) +
                               " threads and got fewer; make it with threads=1 to use it here");
  }
}

template class Stepper<float>;
template class Stepper<double>;

}  // namespace carousel
