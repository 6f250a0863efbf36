// The weights of a call as panels for `multiply`: first their layout, then, by all threads, their values.
#pragma once

#include "partition.hpp"

namespace carousel::ISA {
namespace {

template <class U>
struct PackedWeights : Partition<U> {
  using Shares = Partition<U>;
  using T = Number<U>;
  using Shares::even_panels;
  using Shares::job;
  using Shares::unit_parts;
  static constexpr Index depths = Lane<U>::depths;
  T* bias;  // (blocks, H): what each block of pre-activations begins from; of a forward walk

  using Shares::Shares;

  // Panels for the rows of every block, so that `multiply` writes pre-activations into a row of the tape.
  Packed<U> lay_forward(const Product& product, Arena& arena, Arena& weights) const {
    const Index width = width_of(product), depth = deep<U>(width);
    const Index each = even_panels(job.hidden, unit_parts), blocks = static_cast<Index>(product.blocks.size());
    Packed<U> packed = lay(blocks * each, unit_parts, 1, depth, arena);
    Index p = 0, size = 0;
    for (Index part = 0; part < unit_parts; ++part) {
      for (const Block& block : product.blocks)
        for (Index g = group_begin(each, unit_parts, part); g < group_begin(each, unit_parts, part + 1); ++g) {
          Panel panel = make_panel<T>(job.hidden, each, g);
          panel.column += block.slot * job.hidden;
          panel.begins = block.begins;
          panel.block = static_cast<Index>(&block - product.blocks.data());
          size += place(packed, p++, panel, size);
        }
      if (!arena.counting()) packed.part[part + 1] = p;
    }
    packed.data = weights.take<U>(size);
    if (!arena.counting()) packed.runs[0] = {0, width, 0, depth};
    return packed;
  }

  // Panels for the columns of the stacked blocks, so that `multiply` turns deltas into the gradient of a vector.
  Packed<U> lay_backward(const Product& product, Index width, Index parts, Arena& arena) const {
    const Index each = even_panels(width, parts), blocks = static_cast<Index>(product.blocks.size());
    Packed<U> packed = lay(each, parts, blocks, 0, arena);
    for (Index first = 0, end; first < blocks; first = end) {
      end = end_of_run(product, first);
      const Index count = (end - first) * job.hidden, depth = deep<U>(count);
      const Index from = product.blocks[first].slot * job.hidden;
      if (!arena.counting()) packed.runs[packed.run_count] = {from, count, depths == 1 ? from : packed.depth, depth};
      ++packed.run_count;
      packed.depth += depth;
    }
    Index size = 0;
    for (Index p = 0; p < each; ++p) {
      Panel panel = make_panel<T>(width, each, p);
      panel.begins = !product.accumulates;
      size += place(packed, p, panel, size);
    }
    packed.data = arena.take<U>(size);
    if (arena.counting()) return packed;
    for (Index part = 0; part < parts; ++part) packed.part[part + 1] = group_begin(each, parts, part + 1);
    return packed;
  }

  // Blocks side by side in the row make one run.
  static Index end_of_run(const Product& product, Index first) {
    Index end = first + 1;
    while (end < static_cast<Index>(product.blocks.size()) && product.blocks[end].slot == product.blocks[end - 1].slot + 1)
      ++end;
    return end;
  }

  Index width_of(const Product& product) const { return product.kind == Kind::input ? job.inputs : job.hidden; }

  // A matrix of so many lanes of depth, in one run unless the depth is still to be found.
  Packed<U> lay(Index panels, Index parts, Index runs, Index depth, Arena& arena) const {
    Packed<U> packed{nullptr, depth, arena.take<Panel>(panels), arena.take<Index>(parts + 1), parts, arena.take<Run>(runs),
                     depth ? 1 : 0};
    if (!arena.counting()) packed.part[0] = 0;
    return packed;
  }

  // Returns the number of values the panel needs.
  Index place(Packed<U>& packed, Index p, Panel panel, Index offset) const {
    panel.offset = offset;
    if (packed.panels) packed.panels[p] = panel;
    return packed.depth * panel.vectors * lanes<T>;
  }

  const T* matrix(const Block& block, Index depth) const {
    return job.parameters[block.parameter] + block.row * job.hidden * depth;
  }

  void pack_forward(const Packed<U>& packed, const Product& product, int id) const {
    const Index width = width_of(product);
    for (Index p = id; p < packed.part[packed.parts]; p += job.threads) {
      const Panel& panel = packed.panels[p];
      const T* rows = matrix(product.blocks[panel.block], width) + panel.unit * width;
      pack_transposed(panel, rows, width, packed.data + panel.offset);
    }
  }

  void pack_backward(const Packed<U>& packed, const Product& product, Index width, int id) const {
    const Index blocks = static_cast<Index>(product.blocks.size());
    for (Index p = id; p < packed.part[packed.parts]; p += job.threads) {
      const Panel& panel = packed.panels[p];
      U* to = packed.data + panel.offset;
      for (Index first = 0, end; first < blocks; first = end) {
        end = end_of_run(product, first);
        const Index units = (end - first) * job.hidden;
        for (Index u = 0; u < deep<U>(units) * depths; u += depths, to += panel.vectors * lanes<U>) {
          const T* rows[depths] = {};
          for (Index d = 0; d < depths && u + d < units; ++d) {
            const Index block = first + (u + d) / job.hidden, unit = (u + d) % job.hidden;
            rows[d] = matrix(product.blocks[block], width) + unit * width + panel.column;
          }
          pack_rows(panel, rows, to);
        }
      }
    }
  }

  // The bias of every block: b_ih + b_hh, or one of them, or zero.
  void sum_biases() const {
    const Program& program = *job.program;
    for (Index block = 0; block < program.blocks; ++block) {
      T* sum = bias + block * job.hidden;
      for (Index u = 0; u < job.hidden; ++u) sum[u] = T(0);
      for (const Row& part : program.biases[block]) {
        const T* from = job.parameters[part.parameter];
        for (Index u = 0; from && u < job.hidden; ++u) sum[u] += from[part.row * job.hidden + u];
      }
    }
  }
};

}  // namespace
}  // namespace carousel::ISA
