#include "linear_cell.hpp"

#include <algorithm>
#include <limits>
#include <random>

#include "dispatch.hpp"
#include "engine.hpp"
#include "stepper.hpp"

namespace carousel::tests {

namespace {

template <class T>
std::vector<T> numbers(Index count, double size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> spread(-size, size);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(spread(random));
  return values;
}

// What nobody writes stays visible.
template <class T>
std::vector<T> unwritten(Index count) {
  return std::vector<T>(static_cast<std::size_t>(count), std::numeric_limits<T>::quiet_NaN());
}

Program linear_program() {
  const Block from_input{0, 0, 0, true}, from_state{0, 1, 0, false};
  Program program;
  program.states = program.slots = program.blocks = program.work = 1;
  program.input = {{Kind::input, 0, false, {from_input}}};
  program.forward = {{{{Kind::previous, 0, false, {from_state}}}}};
  program.backward = {{{}}};
  program.closing = {{Kind::previous_gradient, 0, false, {from_state}}};
  program.biases = {{{2, 0}, {3, 0}}};
  return program;
}

// first[t]: number of rows before step t
std::vector<Index> before(const std::vector<Index>& rows) {
  std::vector<Index> first;
  Index sum = 0;
  for (Index count : rows) {
    first.push_back(sum);
    sum += count;
  }
  return first;
}

}  // namespace

template <class T>
LinearCell<T>::LinearCell(Index T_, Index B, Index I, Index H, bool is_reverse, bool is_ragged, bool tape)
    : time(T_), batch(B), inputs(I), hidden(H), reverse(is_reverse), keeps_tape(tape) {
  for (Index t = 0; t < time; ++t) rows.push_back(is_ragged ? batch - t * batch / (time + 1) : batch);
  const double size = 0.9 / static_cast<double>(hidden);  // so that the state neither grows nor vanishes at once
  x = numbers<T>(packed_rows() * inputs, 1, 1);
  h0 = numbers<T>(batch * hidden, 1, 2);
  weight_ih = numbers<T>(hidden * inputs, 1, 3);
  weight_hh = numbers<T>(hidden * hidden, size, 4);
  bias_ih = numbers<T>(hidden, 1, 5);
  bias_hh = numbers<T>(hidden, 1, 6);
  output_gradient = numbers<T>(packed_rows() * hidden, 1, 7);
  final_gradient = numbers<T>(batch * hidden, 1, 8);
  for (Index unit = 0; unit < hidden; ++unit) weight_hh[static_cast<std::size_t>(unit * hidden + unit)] = T(0.5);
}

template <class T>
Index LinearCell<T>::packed_rows() const {
  Index sum = 0;
  for (Index count : rows) sum += count;
  return sum;
}

template <class T>
void LinearCell<T>::reset_some() {
  for (Index row = 0; row < packed_rows(); ++row) resets.push_back(row % 3 == 1);
}

template <class T>
LinearResult<T> by_hand(const LinearCell<T>& cell) {
  const Index I = cell.inputs, H = cell.hidden;
  const std::vector<Index> first = before(cell.rows);
  auto resets_at = [&](Index row) { return !cell.resets.empty() && cell.resets[static_cast<std::size_t>(row)]; };
  LinearResult<T> result;
  result.output.resize(cell.output_gradient.size());
  result.x.resize(cell.x.size());
  result.final = cell.h0;
  result.h0 = cell.final_gradient;
  result.weight_ih.resize(cell.weight_ih.size());
  result.weight_hh.resize(cell.weight_hh.size());
  result.bias.resize(cell.bias_ih.size());
  for (Index b = 0; b < cell.batch; ++b) {
    std::vector<Index> steps;  // of this sequence, in the order of computation
    for (Index t = 0; t < cell.time; ++t)
      if (b < cell.rows[static_cast<std::size_t>(t)]) steps.push_back(t);
    if (cell.reverse) steps = std::vector<Index>(steps.rbegin(), steps.rend());
    T* h = result.final.data() + b * H;  // the running state
    for (Index t : steps) {
      const Index row = first[static_cast<std::size_t>(t)] + b;
      for (Index u = 0; resets_at(row) && u < H; ++u) h[u] = 0;
      T* fresh = result.output.data() + row * H;
      for (Index u = 0; u < H; ++u) {
        T sum = cell.bias_ih[static_cast<std::size_t>(u)] + cell.bias_hh[static_cast<std::size_t>(u)];
        for (Index i = 0; i < I; ++i)
          sum += cell.weight_ih[static_cast<std::size_t>(u * I + i)] * cell.x[static_cast<std::size_t>(row * I + i)];
        for (Index v = 0; v < H; ++v) sum += cell.weight_hh[static_cast<std::size_t>(u * H + v)] * h[v];
        fresh[u] = sum;
      }
      for (Index u = 0; u < H; ++u) h[u] = fresh[u];
    }
    T* dh = result.h0.data() + b * H;  // the running gradient
    for (std::size_t k = steps.size(); k-- > 0;) {
      const Index row = first[static_cast<std::size_t>(steps[k])] + b;
      const T* old = cell.h0.data() + b * H;
      if (k) old = result.output.data() + (first[static_cast<std::size_t>(steps[k - 1])] + b) * H;
      std::vector<T> delta(static_cast<std::size_t>(H));
      for (Index u = 0; u < H; ++u)
        delta[static_cast<std::size_t>(u)] = dh[u] + cell.output_gradient[static_cast<std::size_t>(row * H + u)];
      for (Index v = 0; v < H; ++v) dh[v] = 0;
      for (Index u = 0; u < H; ++u) {
        const T d = delta[static_cast<std::size_t>(u)];
        result.bias[static_cast<std::size_t>(u)] += d;
        for (Index i = 0; i < I; ++i) {
          result.weight_ih[static_cast<std::size_t>(u * I + i)] += d * cell.x[static_cast<std::size_t>(row * I + i)];
          result.x[static_cast<std::size_t>(row * I + i)] += d * cell.weight_ih[static_cast<std::size_t>(u * I + i)];
        }
        for (Index v = 0; v < H; ++v) {
          if (resets_at(row)) continue;  // there was no state, and nobody before
          result.weight_hh[static_cast<std::size_t>(u * H + v)] += d * old[v];
          dh[v] += d * cell.weight_hh[static_cast<std::size_t>(u * H + v)];
        }
      }
    }
  }
  return result;
}

template <class T>
LinearResult<T> by_kernels(const LinearCell<T>& cell, int threads, Products products) {
  const Program program = linear_program();
  const Index packed = cell.packed_rows(), H = cell.hidden;
  const std::vector<Index> first = before(cell.rows);
  std::vector<Index> offset;
  for (Index row : first) offset.push_back(row * cell.inputs);
  LinearResult<T> result{unwritten<T>(packed * H),     unwritten<T>(cell.batch * H), unwritten<T>(packed * cell.inputs),
                         unwritten<T>(cell.batch * H), unwritten<T>(H * cell.inputs), unwritten<T>(H * H),
                         unwritten<T>(H)};
  std::vector<T> bias_hh = unwritten<T>(H), tape = unwritten<T>(packed * program.slots * H);
  const T* parameters[] = {cell.weight_ih.data(), cell.weight_hh.data(), cell.bias_ih.data(), cell.bias_hh.data()};
  const T *initial[] = {cell.h0.data()}, *final_gradient[] = {cell.final_gradient.data()};
  T *final[] = {result.final.data()}, *initial_gradient[] = {result.h0.data()};
  T* gradients[] = {result.weight_ih.data(), result.weight_hh.data(), result.bias.data(), bias_hh.data()};

  Job<T> job{};
  job.program = &program;
  job.cell = find_cell<T>(chosen(), "linear");
  job.batch = cell.batch;
  job.inputs = cell.inputs;
  job.hidden = H;
  job.reverse = cell.reverse;
  job.steps = {cell.time, cell.rows.data(), first.data(), offset.data(), cell.inputs};
  job.x = cell.x.data();
  job.resets = cell.resets.empty() ? nullptr : cell.resets.data();
  job.parameters = parameters;
  job.initial = initial;
  job.output = result.output.data();
  job.final = final;
  job.tape = cell.keeps_tape ? tape.data() : nullptr;
  if (!cell.keeps_tape) {
    Kept kept;
    for (int walk = 0; walk < 2; ++walk) {
      for (std::vector<T>* written : {&result.output, &result.final})
        std::fill(written->begin(), written->end(), std::numeric_limits<T>::quiet_NaN());
      run_forward<T>(job, threads, products, &kept);
    }
    return result;
  }
  run_forward<T>(job, threads, products);
  job.output_gradient = cell.output_gradient.data();
  job.final_gradient = final_gradient;
  job.x_gradient = result.x.data();
  job.initial_gradient = initial_gradient;
  job.parameter_gradients = gradients;
  run_backward<T>(job, threads, products);
  return result;
}

template <class T>
LinearResult<T> by_steps(const LinearCell<T>& cell, int threads) {
  const std::vector<const T*> parameters{cell.weight_ih.data(), cell.weight_hh.data(), cell.bias_ih.data(), cell.bias_hh.data()};
  Stepper<T> stepper(linear_program(), "linear", cell.batch, cell.inputs, cell.hidden, threads, {parameters});
  std::copy(cell.h0.begin(), cell.h0.end(), stepper.state(0, 0));
  const Index read = cell.batch * cell.inputs, written = cell.batch * cell.hidden;
  LinearResult<T> result;
  for (Index t = 0; t < cell.time; ++t) {
    std::copy_n(cell.x.begin() + t * read, read, stepper.input());
    stepper.step();
    result.output.insert(result.output.end(), stepper.output(), stepper.output() + written);
  }
  result.final.assign(stepper.state(0, 0), stepper.state(0, 0) + written);
  return result;
}

template struct LinearCell<float>;
template struct LinearCell<double>;
template LinearResult<float> by_hand(const LinearCell<float>&);
template LinearResult<double> by_hand(const LinearCell<double>&);
template LinearResult<float> by_kernels(const LinearCell<float>&, int, Products);
template LinearResult<double> by_kernels(const LinearCell<double>&, int, Products);
template LinearResult<float> by_steps(const LinearCell<float>&, int);
template LinearResult<double> by_steps(const LinearCell<double>&, int);

}  // namespace carousel::tests
