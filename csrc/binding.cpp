// The Python side of the compiled core: this file and binding_embedding.cpp alone know nanobind. Arrays come as addresses; that they have
// the right size, type and layout is seen to in src/carousel/ops/layer.py, frozen.py and buffers.py, which alone describe calls.
// Here it is made sure that there are as many of them as the program reads, that none is missing, and that a team has a bound.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "dispatch.hpp"
#include "engine.hpp"
#include "losses.hpp"
#include "peak.hpp"
#include "stepper.hpp"
#include "threads.hpp"

namespace nb = nanobind;
using namespace carousel;

void bind_embedding(nb::module_& m);  // binding_embedding.cpp

namespace {

constexpr int most_threads = 1024;  // of one team, whatever is asked for

void require(bool holds, const char* rule) {
  if (!holds) throw std::invalid_argument(rule);
}

using Address = std::uintptr_t;
using Addresses = std::vector<Address>;
using BlockTuple = std::tuple<int, int, int, bool>;                            // slot, parameter, row, begins
using ProductTuple = std::tuple<int, int, bool, std::vector<BlockTuple>>;      // kind, index, accumulates, blocks
using PhaseTuple = std::vector<ProductTuple>;
using RowList = std::vector<std::tuple<int, int>>;                             // parameter, row

Product product_of(const ProductTuple& from) {
  Product product{std::get<0>(from), std::get<1>(from), std::get<2>(from), {}};
  for (const auto& [slot, parameter, row, begins] : std::get<3>(from))
    product.blocks.push_back({slot, parameter, row, begins});
  return product;
}

std::vector<Product> products_of(const PhaseTuple& from) {
  std::vector<Product> products;
  std::transform(from.begin(), from.end(), std::back_inserter(products), product_of);
  return products;
}

std::vector<Row> rows_of(const RowList& from) {
  std::vector<Row> rows;
  for (const auto& [parameter, row] : from) rows.push_back({parameter, row});
  return rows;
}

std::vector<Phase> phases_of(const std::vector<PhaseTuple>& from) {
  std::vector<Phase> phases;
  for (const PhaseTuple& phase : from) phases.push_back({products_of(phase)});
  return phases;
}

// One layer in one direction, as ops/layer.py describes it.
struct Call {
  Index time, batch, inputs, hidden;
  bool reverse;
  int threads;
  Address batch_sizes;  // (T) 64-bit counts, or 0 when every step has the whole batch
  Address x;
  Address resets;       // (rows) bytes, or 0
  Index x_step, x_row;  // elements between steps, between sequences
  Addresses parameters, initial;
  Address output;
  Addresses final;
  Address tape;
};

struct Gradients {
  Address output;
  Addresses final;
  Address x;
  Addresses initial, parameters;
  Address states;  // or 0
};

class StepTable {
 public:
  explicit StepTable(const Call& call) : rows_(call.time), first_(call.time), input_(call.time) {
    const auto* sizes = reinterpret_cast<const std::int64_t*>(call.batch_sizes);
    Index total = 0;
    for (Index t = 0; t < call.time; ++t) {
      rows_[t] = sizes ? static_cast<Index>(sizes[t]) : call.batch;
      first_[t] = total;
      input_[t] = sizes ? total * call.x_row : t * call.x_step;
      total += rows_[t];
    }
    steps_ = {call.time, rows_.data(), first_.data(), input_.data(), call.x_row};
  }
  const Steps& steps() const { return steps_; }

 private:
  std::vector<Index> rows_, first_, input_;
  Steps steps_;
};

std::size_t parameters_of(const Program& program) {
  int last = -1;
  const auto see = [&](const Product& product) {
    for (const Block& block : product.blocks) last = std::max(last, block.parameter);
  };
  for (const Product& product : program.input) see(product);
  for (const Phase& phase : program.forward) std::for_each(phase.products.begin(), phase.products.end(), see);
  for (const auto& rows : program.biases)
    for (const Row& row : rows) last = std::max(last, row.parameter);
  for (const Row& row : program.learned) last = std::max(last, row.parameter);
  return static_cast<std::size_t>(last + 1);
}

void check(const Program& program, const Call& call) {
  const auto states = static_cast<std::size_t>(program.states);
  require(call.time > 0 && call.batch > 0 && call.inputs > 0 && call.hidden > 0, "sizes must be positive");
  require(call.x && call.output, "x and the output must have memory");
  require(call.initial.size() == states && call.final.size() == states, "there must be one address for each state");
  require(std::find(call.final.begin(), call.final.end(), Address{0}) == call.final.end(), "final states must have memory");
  require(call.parameters.size() >= parameters_of(program), "there must be one address for each parameter");
}

void check(const Call& call, const Gradients& gradients) {
  require(call.tape, "a backward walk needs a tape");
  require(gradients.final.size() == call.final.size() && gradients.initial.size() == call.initial.size() &&
              gradients.parameters.size() == call.parameters.size(),
          "there must be as many gradients as arrays");
}

template <class T>
std::vector<T*> pointers(const Addresses& addresses) {
  std::vector<T*> list;
  for (Address address : addresses) list.push_back(reinterpret_cast<T*>(address));
  return list;
}

template <class T>
void walk(const Program& program, const std::string& key, const Call& call, const Gradients* gradients, Kept* kept,
          Products products = Products::exact) {
  const CellKernels<T>* cell = find_cell<T>(chosen(), key);
  if (!cell) throw std::runtime_error("no kernel was built for the cell " + key);
  check(program, call);
  if (gradients) check(call, *gradients);
  const StepTable table(call);
  const auto parameters = pointers<const T>(call.parameters), initial = pointers<const T>(call.initial);
  const auto final = pointers<T>(call.final);
  Job<T> job{};
  job.program = &program;
  job.cell = cell;
  job.batch = call.batch;
  job.inputs = call.inputs;
  job.hidden = call.hidden;
  job.reverse = call.reverse;
  job.steps = table.steps();
  job.x = reinterpret_cast<const T*>(call.x);
  job.resets = reinterpret_cast<const unsigned char*>(call.resets);
  job.parameters = parameters.data();
  job.initial = initial.data();
  job.output = reinterpret_cast<T*>(call.output);
  job.final = final.data();
  job.tape = reinterpret_cast<T*>(call.tape);
  if (!gradients) return run_forward<T>(job, std::min(call.threads, most_threads), products, kept);
  const auto final_gradient = pointers<const T>(gradients->final);
  const auto initial_gradient = pointers<T>(gradients->initial), weight_gradient = pointers<T>(gradients->parameters);
  job.output_gradient = reinterpret_cast<const T*>(gradients->output);
  job.final_gradient = final_gradient.data();
  job.x_gradient = reinterpret_cast<T*>(gradients->x);
  job.initial_gradient = initial_gradient.data();
  job.parameter_gradients = weight_gradient.data();
  job.state_gradients = reinterpret_cast<T*>(gradients->states);
  run_backward<T>(job, std::min(call.threads, most_threads), products);
}

// Numbers: "float32", "float64", or "bfloat16", which is float32 but for the products.
void walk_in(const std::string& numbers, const Program& program, const std::string& key, const Call& call,
             const Gradients* gradients, Kept* kept = nullptr) {
  if (numbers == "float64") return walk<double>(program, key, call, gradients, kept);
  walk<float>(program, key, call, gradients, kept, numbers == "bfloat16" ? Products::bfloat16 : Products::exact);
}

template <class T>
void cross_entropy(Index rows, Index hidden, Index symbols, Address counted, Address targets,
                   const std::vector<Address>& inputs, Index x_row, Index weight_row, Address losses, Address log_sums,
                   bool summed, Address scale, const std::vector<Address>& gradients, int threads, Products products) {
  require(inputs.size() == 3 && gradients.size() == 3, "there must be an x, a weight and a bias, and a gradient of each");
  require(inputs[0] && inputs[1] && targets && log_sums && (losses || summed), "x, weight, targets and sums must have memory");
  const auto in = pointers<const T>(inputs);
  const auto out = pointers<T>(gradients);
  CrossEntropyJob<T> job{};
  job.rows = rows;
  job.hidden = hidden;
  job.symbols = symbols;
  job.counted = reinterpret_cast<const std::int64_t*>(counted);
  job.targets = reinterpret_cast<const std::int64_t*>(targets);
  job.x = in.at(0);
  job.weight = in.at(1);
  job.bias = in.at(2);
  job.x_row = x_row;
  job.weight_row = weight_row;
  job.losses = reinterpret_cast<T*>(losses);
  job.log_sums = reinterpret_cast<T*>(log_sums);
  job.summed = summed;
  job.scale = reinterpret_cast<const T*>(scale);
  job.x_gradient = out.at(0);
  job.weight_gradient = out.at(1);
  job.bias_gradient = out.at(2);
  run_cross_entropy<T>(job, std::min(threads, most_threads), products);
}

// One step at a time on a stack of layers; arrays are views of the stepper's own memory.
template <class T>
void bind_stepper(nb::module_& m, const char* name) {
  using Array = nb::ndarray<nb::numpy, T, nb::ndim<2>>;
  struct Bound : Stepper<T> {
    Index batch, inputs, hidden;
    Bound(const Program& program, const std::string& key, Index b, Index i, Index h, int threads,
          const std::vector<std::vector<const T*>>& layers)
        : Stepper<T>(program, key, b, i, h, threads, layers), batch(b), inputs(i), hidden(h) {}
  };
  nb::class_<Bound>(m, name)
      .def(
          "__init__",
          [](Bound* self, const Program& program, const std::string& key, Index batch, Index inputs, Index hidden,
             int threads, const std::vector<Addresses>& layers) {
            require(batch > 0 && inputs > 0 && hidden > 0 && threads > 0, "sizes and threads must be positive");
            require(threads <= most_threads, "there must be no more threads than most_threads");
            require(batch <= (Index{1} << 48) / std::max(inputs, hidden), "a batch must fit into memory");
            for (const Addresses& layer : layers)
              require(layer.size() >= parameters_of(program), "there must be one address for each parameter");
            std::vector<std::vector<const T*>> parameters;
            for (const Addresses& layer : layers) parameters.push_back(pointers<const T>(layer));
            new (self) Bound(program, key, batch, inputs, hidden, threads, parameters);
          },
          nb::kw_only(), nb::arg("program"), nb::arg("key"), nb::arg("batch"), nb::arg("inputs"), nb::arg("hidden"),
          nb::arg("threads"), nb::arg("layers"))
      .def("step", [](Bound& self) { self.step(); }, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "input", [](Bound& self) { return Array(self.input(), {size_t(self.batch), size_t(self.inputs)}, nb::find(self)); })
      .def("output",
           [](Bound& self) { return Array(self.output(), {size_t(self.batch), size_t(self.hidden)}, nb::find(self)); })
      .def("state", [](Bound& self, Index layer, Index s) {
        return Array(self.state(layer, s), {size_t(self.batch), size_t(self.hidden)}, nb::find(self));
      });
}

}  // namespace

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);  // programs are cached until the process ends
  m.doc() = "The compiled core of Carousel: the time loop and the kernels of the built-in cells.";

  nb::class_<Program>(m, "Program")
      .def(
          "__init__",
          [](Program* self, int states, int slots, int blocks, int work, int sums, int work_sums,
             const PhaseTuple& input, const std::vector<PhaseTuple>& forward, const std::vector<PhaseTuple>& backward,
             const PhaseTuple& closing, const std::vector<RowList>& biases, const RowList& learned) {
            new (self) Program{states, slots, blocks, work, sums, work_sums, products_of(input), phases_of(forward),
                               phases_of(backward), products_of(closing), {}, rows_of(learned)};
            for (const RowList& list : biases) self->biases.push_back(rows_of(list));
            if (self->operands() > most_operands) throw std::runtime_error("the cell has too many vectors");
          },
          nb::kw_only(), nb::arg("states"), nb::arg("slots"), nb::arg("blocks"), nb::arg("work"), nb::arg("sums"),
          nb::arg("work_sums"), nb::arg("input"), nb::arg("forward"), nb::arg("backward"), nb::arg("closing"),
          nb::arg("biases"), nb::arg("learned"));

  nb::class_<Call>(m, "Call").def(
      "__init__",
      [](Call* self, Index time, Index batch, Index inputs, Index hidden, bool reverse, int threads,
         Address batch_sizes, Address x, Address resets, Index x_step, Index x_row, const Addresses& parameters,
         const Addresses& initial, Address output, const Addresses& final, Address tape) {
        new (self) Call{time,  batch, inputs,     hidden,  reverse, threads, batch_sizes, x, resets,
                        x_step, x_row, parameters, initial, output,  final,   tape};
      },
      nb::kw_only(), nb::arg("time"), nb::arg("batch"), nb::arg("inputs"), nb::arg("hidden"), nb::arg("reverse"),
      nb::arg("threads"), nb::arg("batch_sizes"), nb::arg("x"), nb::arg("resets"), nb::arg("x_step"), nb::arg("x_row"),
      nb::arg("parameters"), nb::arg("initial"), nb::arg("output"), nb::arg("final"), nb::arg("tape"));

  nb::class_<Kept>(m, "Kept", "The packed weights of one layer, which must stay as they are.").def(nb::init<>());

  nb::class_<Gradients>(m, "Gradients")
      .def(
          "__init__",
          [](Gradients* self, Address output, const Addresses& final, Address x, const Addresses& initial,
             const Addresses& parameters, Address states) {
            new (self) Gradients{output, final, x, initial, parameters, states};
          },
          nb::kw_only(), nb::arg("output"), nb::arg("final"), nb::arg("x"), nb::arg("initial"), nb::arg("parameters"),
          nb::arg("states"));

  m.def(
      "forward",
      [](const Program& program, const std::string& key, const std::string& numbers, const Call& call, Kept* kept) {
        walk_in(numbers, program, key, call, nullptr, kept);
      },
      nb::arg("program"), nb::arg("key"), nb::arg("numbers"), nb::arg("call"), nb::arg("kept") = nb::none(),
      nb::call_guard<nb::gil_scoped_release>(),
      "Fill output, final and, unless it is 0, the tape; `kept` keeps the packed weights for the calls that follow.");
  m.def(
      "backward",
      [](const Program& program, const std::string& key, const std::string& numbers, const Call& call,
         const Gradients& gradients) { walk_in(numbers, program, key, call, &gradients); },
      nb::call_guard<nb::gil_scoped_release>(), "Fill the gradients of x, the initial states and the parameters.");

  m.def(
      "cross_entropy",
      [](const std::string& numbers, Index rows, Index hidden, Index symbols, Address counted, Address targets,
         const Addresses& inputs, Index x_row, Index weight_row, Address losses, Address log_sums, bool summed,
         Address scale, const Addresses& gradients, int threads) {
        const auto run = numbers == "float64" ? cross_entropy<double> : cross_entropy<float>;
        run(rows, hidden, symbols, counted, targets, inputs, x_row, weight_row, losses, log_sums, summed, scale,
            gradients, threads, numbers == "bfloat16" ? Products::bfloat16 : Products::exact);
      },
      nb::call_guard<nb::gil_scoped_release>(), nb::kw_only(), nb::arg("numbers"), nb::arg("rows"), nb::arg("hidden"),
      nb::arg("symbols"), nb::arg("counted"), nb::arg("targets"), nb::arg("inputs"), nb::arg("x_row"),
      nb::arg("weight_row"), nb::arg("losses"), nb::arg("log_sums"), nb::arg("summed"), nb::arg("scale"),
      nb::arg("gradients"), nb::arg("threads"),
      "Linear layer and cross-entropy: losses and log-sums of rows, and the gradients of sum(scale * losses).");
  m.def("cross_entropy_bytes", &cross_entropy_bytes, nb::kw_only(), nb::arg("rows"), nb::arg("hidden"),
        nb::arg("symbols"), nb::arg("threads"), "Memory of one call with gradients, beside its arrays.");
  m.def(
      "has_cell", [](const std::string& key) { return find_cell<float>(chosen(), key) != nullptr; },
      "Was a kernel built for the cell with this key?");
  bind_stepper<float>(m, "Stepper32");
  bind_stepper<double>(m, "Stepper64");

  m.attr("most_arrays") = most_operands;
  m.attr("most_threads") = most_threads;
  m.def("load_cell", &load_cell, "Open the library of a user's cell.");
  m.def("isa_flags", [] { return std::string(chosen().flags); }, "The compiler's flags for the set in use.");
  m.def("isa", [] { return std::string(chosen().name); }, "The instruction set in use.");
  m.def("choose_isa", &choose, "Use another instruction set from the next call on.");
  m.def(
      "built_isas",
      [] {
        std::vector<std::tuple<std::string, bool>> list;
        for (const Kernels* kernels : built()) list.emplace_back(kernels->name, runs_here(*kernels));
        return list;
      },
      "Every instruction set that was built, best first, and whether this machine has it.");
  m.def(
      "multiply_add_peak",
      [](const std::string& numbers, int threads, double seconds) {
        return multiply_add_peak(numbers, std::min(threads, most_threads), seconds);
      },
      nb::arg("numbers"), nb::arg("threads"), nb::arg("seconds"),
        nb::call_guard<nb::gil_scoped_release>(),
        "FLOP/s of a register-resident multiply-add loop on the instruction set and the team in use.");
  bind_embedding(m);
  m.def("is_forked", &is_forked, "Was this process forked after this library was loaded?");
  m.def("team_kind", [] { return std::string(team_kind()); }, "Whose threads the kernels run on.");
}
