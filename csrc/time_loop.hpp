// What the forward and the backward walk share: who works on which rows and units, and where each vector stands.
//
// The batch is split over threads with no barrier between time steps. Only where there are fewer sequences than threads,
// or few of them for weights that outgrow the second cache, do several threads share the sequences, each computing some
// of their units, with a barrier after each phase.

constexpr Index rounded_rows = 96;      // rows that are rounded for a product at once
constexpr Index worthwhile_weights = 24000;  // of a step, for each thread that shares a sequence: fewer, and waiting for
                                             // each other, on cores far apart, costs what it saves
constexpr Index near_bytes = 3 << 19;   // of the weights of a step: what stays in a second cache of 2 MB
#if defined(CAROUSEL_AMX)
constexpr Index worthwhile_rows = 16;  // that a thread multiplies by weights from farther away: fewer wait for them
#else
constexpr Index worthwhile_rows = 8;  // where a core multiplies half as much in a cycle
#endif

// Where the state before a step comes from: the step before, the caller, or a reset.
enum class Origin { carried, initial, zero };

// Which way a thread goes over the panels of a product. Steps go to and fro: of weights that are larger than a cache, the
// next step then begins with those that are still in it.
struct alignas(64) Turn {
  bool backwards;
};

// U: what a lane of a product holds, the number of the states (T) itself or a pair of rounded ones (bfloat16.hpp).
template <class U>
struct Loop {
  using T = Number<U>;
  using Registers = TileRegisters<U>;
  static constexpr Index depths = Lane<U>::depths;
  Job<T> job;
  Index batch_parts, group, unit_parts;  // threads = batch_parts * group; unit_parts <= group share one sequence
  Index leap;                            // neighbours in a part whose sequences stand an equal way apart
  Index chunk;                           // steps at a time
  Index row_size;                        // of the tape
  T* tape;                               // the job's, or a ring of chunk + 1 steps
  bool ring;
  T* zeros;
  T* bias;  // (blocks, H): what each block of pre-activations begins from; of a forward walk
  T* shares;  // (members, B, sums): what each thread of a sequence adds to its sums over units
  Barrier* all;
  Barrier* of_group;  // for each part of the batch: all who share it
  Barrier* of_units;  // and those of them who share its time steps: another number, so another barrier
  const T*** left;  // for each thread: rows of a chunk
  T*** out;
  Index rounded_size;  // of a left-hand row in lanes, if numbers are rounded for products
  U** rounded;         // for each thread: rounded rows
  Turn* turns;         // for each thread
  const U*** lanes_of;  // and where each begins

  // chunk_rows: how many rows are multiplied at once where a product does not wait for the step before.
  Loop(const Job<T>& task, Arena& arena, Index chunk_rows) : job(task) {
    const Program& program = *job.program;
    const Index threads = job.threads;
    batch_parts = parts_of_batch();
    group = threads / batch_parts;
    leap = batch_parts > 1 && job.steps.rows[job.steps.count - 1] < job.steps.rows[0] ? 2 : 1;
    unit_parts = min(group, min(groups(job.hidden, lanes<T>), step_blocks() * job.hidden * job.hidden / worthwhile_weights));
    if (unit_parts < 1) unit_parts = 1;
    chunk = chunk_rows / job.batch;
    if (chunk < 1) chunk = 1;
    if (chunk > job.steps.count) chunk = job.steps.count;
    row_size = program.slots * job.hidden + program.sums;
    ring = job.tape == nullptr;
    tape = ring ? arena.take<T>((chunk + 1) * job.batch * row_size) : job.tape;
    const Index widest = job.hidden > job.inputs ? job.hidden : job.inputs;
    zeros = arena.take<T>(widest + tile_vectors * lanes<T>);
    shares = arena.take<T>(unit_parts > 1 ? unit_parts * job.batch * most_sums() : 0);
    all = arena.take<Barrier>(1);
    of_group = arena.take<Barrier>(batch_parts);
    of_units = arena.take<Barrier>(batch_parts);
    left = arena.take<const T**>(threads);
    out = arena.take<T**>(threads);
    rounded = arena.take<U*>(threads);
    turns = arena.take<Turn>(threads);
    lanes_of = arena.take<const U**>(threads);
    const Index inputs = deep<U>(job.inputs), deltas = program.blocks * deep<U>(job.hidden);
    rounded_size = depths == 1 ? 0 : inputs > deltas ? inputs : deltas;
    if (Lane<U>::depth_step > 1) rounded_size |= lanes<U>;  // odd in cache lines: rows must not meet in one set of a cache
    for (Index id = 0; id < threads; ++id) {
      const T** l = arena.take<const T*>(chunk * job.batch);
      T** o = arena.take<T*>(chunk * job.batch);
      U* r = arena.take<U>(rounded_rows * rounded_size);
      const U** r_rows = arena.take<const U*>(rounded_rows);
      if (arena.counting()) continue;
      turns[id].backwards = false;
      left[id] = l;
      out[id] = o;
      rounded[id] = r;
      lanes_of[id] = r_rows;
    }
    if (arena.counting()) return;
    all->reset();
    for (Index part = 0; part < batch_parts; ++part) {
      of_group[part].reset();
      of_units[part].reset();
    }
    for (Index u = 0; u < widest + tile_vectors * lanes<T>; ++u) zeros[u] = T(0);
  }

  static Index min(Index a, Index b) { return a < b ? a : b; }

  // Matrices of (H, H) that a step multiplies by.
  Index step_blocks() const {
    Index blocks = 0;
    for (const Phase& phase : job.program->forward)
      for (const Product& product : phase.products) blocks += static_cast<Index>(product.blocks.size());
    return blocks;
  }

  // One for each thread, unless all would read large weights for few sequences each.
  Index parts_of_batch() const {
    Index parts = min(job.threads, job.batch);
    const Index bytes = step_blocks() * job.hidden * groups(job.hidden, depths) * static_cast<Index>(sizeof(U));
    if (bytes > near_bytes)
      while (parts > 1 && (job.batch < parts * worthwhile_rows || job.threads % parts)) --parts;
    return parts;
  }

  // ---- steps: k counts in the order of computation, t in the order of the sequence ----

  Index time(Index k) const { return job.reverse ? job.steps.count - 1 - k : k; }
  Index count(Index k) const { return job.steps.rows[time(k)]; }
  // sequences of step k that continue from step k - 1; the others start from their initial state
  Index carried(Index k) const { return k == 0 ? 0 : min(count(k), count(k - 1)); }
  // sequences of step k that step k + 1 does not continue: their state is final
  Index continued(Index k) const { return k + 1 == job.steps.count ? 0 : min(count(k + 1), count(k)); }

  Index row_count() const { return job.steps.first[job.steps.count - 1] + job.steps.rows[job.steps.count - 1]; }
  Index packed_row(Index k, Index b) const { return job.steps.first[time(k)] + b; }
  Index tape_row(Index k, Index b) const {
    return ring ? k % (chunk + 1) * job.batch + b : packed_row(k, b);
  }
  T* tape_at(Index k, Index b, Index slot) const { return tape + tape_row(k, b) * row_size + slot * job.hidden; }
  const T* input_at(Index k, Index b) const {
    return job.x + job.steps.input_offset[time(k)] + b * job.steps.input_stride;
  }
  // the new state `s` of step k: the first state is the output, the others stand at the end of the tape's row
  T* state_at(Index s, Index k, Index b) const {
    if (s == 0) return job.output + packed_row(k, b) * job.hidden;
    return tape_at(k, b, job.program->slots - job.program->states + s);
  }
  Index state_stride(Index s) const { return s == 0 ? job.hidden : row_size; }
  const T* initial_at(Index s, Index b) const {
    return job.initial[s] ? job.initial[s] + b * job.hidden : zeros;
  }

  // what the state before step k is for this sequence
  Origin origin(Index k, Index b) const {
    if (job.resets && job.resets[packed_row(k, b)]) return Origin::zero;
    return b < carried(k) ? Origin::carried : Origin::initial;
  }
  const T* previous_at(Index s, Index k, Index b) const {
    switch (origin(k, b)) {
      case Origin::carried: return state_at(s, k - 1, b);
      case Origin::initial: return initial_at(s, b);
      default: return zeros;
    }
  }

  // where a product of step k finds the vector it multiplies
  const T* vector_at(const Product& product, Index k, Index b) const {
    switch (product.kind) {
      case Kind::tape: return tape_at(k, b, product.index);
      case Kind::fresh: return state_at(product.index, k, b);
      case Kind::previous: return previous_at(product.index, k, b);
      default: return input_at(k, b);
    }
  }

  // ---- shares: thread `id` works on sequence `part` of every `batch_parts` of them ----
  // Where some end before others, the longest first, every second round of parts goes backwards (0 1 1 0 0 1 ...), so
  // that no part has the longer of each.

  Index part_of(int id) const { return id / group; }
  Index member_of(int id) const { return id % group; }
  Index sequence(Index part, Index j) const {
    return j * batch_parts + (leap == 2 && j % 2 ? batch_parts - 1 - part : part);
  }
  Index sequences(Index part, Index below) const {  // how many there are of the part
    const Index rounds = below / batch_parts;
    return rounds + (sequence(part, rounds) < below ? 1 : 0);
  }
  Index apart() const { return leap * batch_parts; }  // from a sequence to the next but leap - 1

  void wait_for_group(int id) { of_group[part_of(id)].wait(static_cast<int>(group)); }
  void wait_for_units(int id) { of_units[part_of(id)].wait(static_cast<int>(unit_parts)); }

  // Call body(k, b) for the rows of steps k0 .. k1 that fall to this thread, or to all who share the sequences with it.
  template <class Body>
  void each_row_of_share(int id, Index k0, Index k1, bool of_all, Body body) const {
    Index turn = 0;
    for (Index k = k0; k < k1; ++k)
      for (Index j = 0, b; (b = sequence(part_of(id), j)) < count(k); ++j)
        if (turn++ % group == member_of(id) || of_all) body(k, b);
  }

  Index unit_count(Index member) const { return unit_bound(member + 1) - unit_bound(member); }
  Index unit_bound(Index member) const {
    const Index panels = even_panels(job.hidden, unit_parts), g = group_begin(panels, unit_parts, member);
    return g == panels ? job.hidden : make_panel<T>(job.hidden, panels, g).unit;
  }

  // ---- products ----

  void turn(int id) { turns[id].backwards = !turns[id].backwards; }

  // The rows listed in `left` times the matrix, for one unit part, to the rows listed in `out`.
  void multiply_rows(int id, const Packed<U>& matrix, Index part, Index rows, const T* from) {
    if constexpr (depths == 1) {
      multiply(matrix, part, rows, left[id], out[id], from, turns[id].backwards);
    } else {
      for (Index first = 0; first < rows; first += rounded_rows) {
        const Index some = min(rounded_rows, rows - first);
        for (Index r = 0; r < some; ++r) {
          U* to = rounded[id] + r * rounded_size;
          lanes_of[id][r] = to;
          for (Index run = 0; run < matrix.run_count; ++run)
            Lane<U>::along(left[id][first + r] + matrix.runs[run].from, matrix.runs[run].count, to + matrix.runs[run].offset);
        }
        multiply(matrix, part, some, lanes_of[id], out[id] + first, from, turns[id].backwards);
      }
    }
  }

  // As many panels for one part as for another, so that no thread waits.
  static Index even_panels(Index width, Index parts) {
    return min(groups(panels_for<T>(width), parts) * parts, groups(width, lanes<T>));
  }

  // ---- packed matrices: first their layout, then, by all threads, their values ----

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

  // ---- elementwise phases ----

  // The arrays of step k from sequence j of the part on, in the order of `Kind`, shifted to this thread's units.
  Index list_forward(Rows<T>* list, Index k, Index part, Index j, Origin origin, Index member) const {
    const Program& program = *job.program;
    const Index b = sequence(part, j), unit = unit_bound(member);
    Index n = 0;
    for (Index slot = 0; slot < program.slots - (program.states - 1); ++slot)
      list[n++] = {tape_at(k, b, slot) + unit, apart() * row_size};
    for (Index s = 0; s < program.states; ++s) {
      const Index given = origin == Origin::initial && job.initial[s] ? job.hidden : 0;
      const Index stride = origin == Origin::carried ? state_stride(s) : given;
      list[n++] = {const_cast<T*>(previous_at(s, k, b)) + unit, apart() * stride};
    }
    for (Index s = 0; s < program.states; ++s)
      list[n++] = {state_at(s, k, b) + unit, apart() * state_stride(s)};
    for (const Row& vector : program.learned)
      list[n++] = {const_cast<T*>(job.parameters[vector.parameter]) + vector.row * job.hidden + unit, 0};
    return list_sums(list, n, tape_at(k, b, program.slots), row_size, b, member, program.sums);
  }

  // Sums over units: where they are read, and where they are added up. Threads that share a sequence have a place each
  // for what they add.
  Index list_sums(Rows<T>* list, Index n, T* sums, Index stride, Index b, Index member, Index count) const {
    if (!count) return n;
    list[n++] = {sums, apart() * stride};
    if (unit_parts == 1)
      list[n++] = {sums, apart() * stride};
    else
      list[n++] = {share_at(member, b), apart() * most_sums()};
    return n;
  }

  // After a phase: wait for those who share the sequences; one of them puts their sums together, in one order.
  // `at(b)` is where the sums of sequence b stand.
  template <class Sums>
  void end_phase(int id, Index rows, Index count, Sums at) {
    wait_for_units(id);
    if (!count || unit_parts == 1) return;
    for (Index j = 0; member_of(id) == 0 && j < rows; ++j) {
      const Index b = sequence(part_of(id), j);
      for (Index s = 0; s < count; ++s) {
        T sum = share_at(0, b)[s];
        for (Index member = 1; member < unit_parts; ++member) sum += share_at(member, b)[s];
        at(b)[s] = sum;
      }
    }
    wait_for_units(id);
  }

  Index most_sums() const {
    const Program& program = *job.program;
    return program.sums > program.work_sums ? program.sums : program.work_sums;
  }
  T* share_at(Index member, Index b) const { return shares + (member * job.batch + b) * most_sums(); }

  // Call body(j, rows, origin) for each run of neighbouring sequences of the part whose states have one origin; where
  // they do not all stand an equal way apart, for every second of them, and then for the others.
  template <class Body>
  void each_run(Index k, Index part, Body body) const {
    const Index old = sequences(part, carried(k)), total = sequences(part, count(k));
    for (Index j = 0, end; j < total; j = end) {
      const Origin from = origin(k, sequence(part, j));
      end = j < old ? old : total;
      if (job.resets)
        for (end = j + 1; end < total && origin(k, sequence(part, end)) == from;) ++end;
      for (Index first = j; first < j + leap && first < end; ++first) body(first, groups(end - first, leap), from);
    }
  }
};
