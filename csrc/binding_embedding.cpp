// The Python side of training word vectors. Arrays come as arrays: type, shape and layout are checked here.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "embedding/phrases.hpp"
#include "embedding/tables.hpp"
#include "embedding/tokens.hpp"
#include "embedding/trainer.hpp"

namespace nb = nanobind;
using namespace carousel::embedding;

namespace {

template <class T>
using Array = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

constexpr int most_threads = 1024;  // of one team

void require(bool holds, const char* rule) {
  if (!holds) throw std::invalid_argument(rule);
}

// A job and the arrays it points into.
struct BoundJob {
  Job job{};
  Array<const std::int32_t> ids;
  Array<const std::int64_t> blocks;
  Array<const std::uint32_t> keep;
  std::optional<Matrix<const std::uint32_t>> noise;
  std::optional<Array<const std::int64_t>> path_begin;
  std::optional<Array<const std::int32_t>> path;
  Matrix<float> input, output;

  Job at(std::int64_t position, std::uint64_t seed) const {
    Job now = job;
    now.position = position;
    now.seed = seed;
    return now;
  }
};

bool is_row_aligned(const Matrix<float>& m) {
  return reinterpret_cast<std::uintptr_t>(m.data()) % (row_floats * sizeof(float)) == 0 && m.shape(1) % row_floats == 0;
}

void check(const BoundJob& b) {
  const Job& job = b.job;
  require(b.blocks.shape(0) >= 2, "blocks must hold at least one block");
  for (std::size_t k = 0; k < b.blocks.shape(0); ++k)
    require(b.blocks.data()[k] >= (k ? b.blocks.data()[k - 1] : 0), "blocks must not fall");
  require(static_cast<std::size_t>(b.blocks.data()[job.block_count]) <= b.ids.shape(0), "blocks must end in the text");
  require(job.words > 0 && job.words <= INT32_MAX, "there must be words, fewer than 2^31");
  require(is_row_aligned(b.input) && is_row_aligned(b.output), "rows must be whole cache lines");
  require(static_cast<std::int64_t>(b.input.shape(0)) == job.words && b.input.shape(1) == b.output.shape(1),
          "the matrices must have one stride, and the input a row for each word");
  require(job.window >= 1 && job.negatives >= 1 && job.total > 0, "window, negatives and total must be positive");
  require(b.noise.has_value() != b.path_begin.has_value(), "there must be noise or paths, not both");
  if (b.noise) {
    require(static_cast<std::int64_t>(b.noise->shape(0)) == job.words && b.noise->shape(1) == 2,
            "noise must have a cell for each word");
    require(static_cast<std::int64_t>(b.output.shape(0)) == job.words, "the output must have a row for each word");
    for (std::int64_t k = 0; k < job.words; ++k)
      require(b.noise->data()[2 * k + 1] < static_cast<std::uint64_t>(job.words), "noise must name words");
  } else {
    require(b.path.has_value(), "there must be a path for each word");
    require(b.path_begin->data()[0] == 0 && static_cast<std::size_t>(job.path_begin[job.words]) == b.path->shape(0),
            "paths must fill their array");
    for (std::size_t k = 0; k < b.path->shape(0); ++k)
      require(b.path->data()[k] >= 0 && static_cast<std::size_t>(b.path->data()[k] >> 1) < b.output.shape(0),
              "paths must name inner nodes");
  }
  for (std::size_t k = 0; k < b.ids.shape(0); ++k)
    require(b.ids.data()[k] >= sentence_end && b.ids.data()[k] < job.words, "the text must consist of known words");
}

void fill(BoundJob& b) {
  Job& job = b.job;
  job.ids = b.ids.data();
  job.blocks = b.blocks.data();
  job.block_count = static_cast<std::int64_t>(b.blocks.shape(0)) - 1;
  job.words = static_cast<std::int64_t>(b.keep.shape(0));
  job.keep = b.keep.data();
  job.noise = b.noise ? reinterpret_cast<const NoiseCell*>(b.noise->data()) : nullptr;
  job.path_begin = b.path_begin ? b.path_begin->data() : nullptr;
  job.path = b.path ? b.path->data() : nullptr;
  require(!b.path_begin || static_cast<std::int64_t>(b.path_begin->shape(0)) == job.words + 1, "there must be a path for each word");
  for (std::int64_t word = 0; job.path_begin && word < job.words; ++word) {
    const std::int64_t length = job.path_begin[word + 1] - job.path_begin[word];
    require(length >= 0, "paths must not fall");
    if (length > job.longest_path) job.longest_path = length;
  }
  job.input = b.input.data();
  job.output = b.output.data();
  job.stride = static_cast<std::int64_t>(b.input.shape(1));
}

// Lists that grow window by window.
struct Windows {
  std::vector<std::int64_t> token, inputs, outputs;  // inputs, outputs: how many of each window
  std::vector<std::int32_t> middle, input, output;
  std::vector<float> input_weight, output_weight;

  static void add(void* to, std::int64_t token, std::int32_t middle, const std::int32_t* in, const float* in_weight,
                  Index m, const std::int32_t* out, const float* out_weight, Index n) {
    Windows& all = *static_cast<Windows*>(to);
    all.token.push_back(token);
    all.middle.push_back(middle);
    all.inputs.push_back(m);
    all.outputs.push_back(n);
    all.input.insert(all.input.end(), in, in + m);
    all.input_weight.insert(all.input_weight.end(), in_weight, in_weight + m);
    all.output.insert(all.output.end(), out, out + n);
    all.output_weight.insert(all.output_weight.end(), out_weight, out_weight + n);
  }
};

template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> given(std::vector<T>&& list) {
  auto* kept = new std::vector<T>(std::move(list));
  return {kept->data(), {kept->size()}, nb::capsule(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); })};
}

nb::dict windows_of(const BoundJob& b, std::int64_t block, std::uint64_t seed) {
  require(block >= 0 && block < b.job.block_count, "there must be such a block");
  Windows all;
  listen(b.at(0, seed), block, {&all, Windows::add});
  nb::dict lists;
  lists["token"] = given(std::move(all.token));
  lists["middle"] = given(std::move(all.middle));
  lists["inputs"] = given(std::move(all.inputs));
  lists["outputs"] = given(std::move(all.outputs));
  lists["input"] = given(std::move(all.input));
  lists["input_weight"] = given(std::move(all.input_weight));
  lists["output"] = given(std::move(all.output));
  lists["output_weight"] = given(std::move(all.output_weight));
  return lists;
}

std::vector<std::int64_t> list_of(Array<const std::int64_t> counts) {
  return {counts.data(), counts.data() + counts.shape(0)};
}

TokenKind token_kind(const std::string& name) {
  if (name == "spaces") return TokenKind::spaces;
  if (name == "identifiers") return TokenKind::identifiers;
  require(name == "words", "tokens must be spaces, words or identifiers");
  return TokenKind::words;
}

SentenceKind sentence_kind(const std::string& name) {
  if (name == "paragraph") return SentenceKind::paragraph;
  if (name == "file") return SentenceKind::file;
  require(name == "line", "sentences must be line, paragraph or file");
  return SentenceKind::line;
}

void check_ids(Array<std::int32_t> ids, std::size_t words) {
  for (std::size_t k = 0; k < ids.shape(0); ++k)
    require(ids.data()[k] >= sentence_end && (ids.data()[k] < 0 || static_cast<std::size_t>(ids.data()[k]) < words),
            "ids must be of known words");
}

void bind_phrases(nb::module_& m) {
  m.def(
      "join_phrases",
      [](Array<std::int32_t> ids, Array<const std::int64_t> counts, std::int64_t min_count, double threshold) {
        check_ids(ids, counts.shape(0));
        Phrases phrases =
            join_phrases(ids.data(), static_cast<std::int64_t>(ids.shape(0)), list_of(counts), min_count, threshold);
        return nb::make_tuple(given(std::move(phrases.pairs)), given(std::move(phrases.counts)), phrases.length);
      },
      "In place. Pairs (2 K) that became one word, the counts of all words then, and the length that is left.");
  m.def(
      "renumber",
      [](Array<std::int32_t> ids, Array<const std::int32_t> numbers) {
        check_ids(ids, numbers.shape(0));
        return renumber(ids.data(), static_cast<std::int64_t>(ids.shape(0)), numbers.data());
      },
      "In place, without ids whose number is negative; the length that is left.");
}

std::string_view view(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

void bind_tokeniser(nb::module_& m) {
  nb::class_<Tokeniser>(m, "Tokeniser")
      .def("__init__",
           [](Tokeniser* self, const std::string& tokens, const std::string& sentences) {
             new (self) Tokeniser(token_kind(tokens), sentence_kind(sentences));
           })
      .def(
          "feed",
          [](Tokeniser& self, const nb::bytes& text) {
            const std::string_view all = view(text);
            const nb::gil_scoped_release released;
            self.feed(all);
          },
          "UTF-8 text that ends between two tokens.")
      .def("add", [](Tokeniser& self, const nb::bytes& token) { self.add(view(token)); }, "One token as it is.")
      .def("end_sentence", &Tokeniser::end_sentence)
      .def("__len__", [](const Tokeniser& self) { return self.words().size(); })
      .def("take", [](Tokeniser& self) { return given(self.take()); }, "The ids since the last call.")
      .def("counts", [](const Tokeniser& self) { return given(std::vector<std::int64_t>(self.words().counts())); })
      .def("words", [](const Tokeniser& self, const std::vector<std::int64_t>& numbers) {
        nb::list words;
        for (std::int64_t number : numbers) {
          require(number >= 0 && static_cast<std::size_t>(number) < self.words().size(), "there must be such a word");
          const std::string_view word = self.words().word(static_cast<std::size_t>(number));
          words.append(nb::str(word.data(), word.size()));
        }
        return words;
      });
}

void bind_tables(nb::module_& m) {
  m.def(
      "alias_table",
      [](Array<const double> weights) {
        const auto cells = alias_table({weights.data(), weights.data() + weights.shape(0)});
        std::vector<std::uint32_t> flat;
        for (const NoiseCell& cell : cells) flat.insert(flat.end(), {cell.threshold, static_cast<std::uint32_t>(cell.other)});
        return given(std::move(flat));
      },
      "Pairs of threshold and other word.");
  m.def("keep_table", [](Array<const std::int64_t> counts, double sample) { return given(keep_table(list_of(counts), sample)); });
  m.def("huffman_paths", [](Array<const std::int64_t> counts) {
    Paths paths = huffman_paths(list_of(counts));
    return nb::make_tuple(given(std::move(paths.begin)), given(std::move(paths.path)));
  });
}

}  // namespace

void bind_embedding(nb::module_& core) {
  nb::module_ m = core.def_submodule("embedding", "Training of word vectors.");
  bind_tokeniser(m);
  bind_tables(m);
  bind_phrases(m);
  m.attr("SENTENCE_END") = sentence_end;
  m.attr("LONGEST_SENTENCE") = longest_sentence;
  m.attr("ROW_FLOATS") = row_floats;

  nb::class_<BoundJob>(m, "Job").def(
      "__init__",
      [](BoundJob* self, Array<const std::int32_t> ids, Array<const std::int64_t> blocks, Array<const std::uint32_t> keep,
         std::optional<Matrix<const std::uint32_t>> noise, std::optional<Array<const std::int64_t>> path_begin,
         std::optional<Array<const std::int32_t>> path, Matrix<float> input, Matrix<float> output, bool cbow, bool mean,
         bool shared, std::int64_t window, std::int64_t negatives, double lr, std::int64_t total,
         std::uint64_t held_out_seed, std::uint32_t held_out) {
        BoundJob b{{}, ids, blocks, keep, noise, path_begin, path, input, output};
        b.job.cbow = cbow;
        b.job.mean = mean;
        b.job.shared = shared;
        b.job.window = window;
        b.job.negatives = negatives;
        b.job.lr = lr;
        b.job.total = total;
        b.job.held_out_seed = held_out_seed;
        b.job.held_out = held_out;
        fill(b);
        check(b);
        new (self) BoundJob(b);
      },
      nb::kw_only(), nb::arg("ids"), nb::arg("blocks"), nb::arg("keep"), nb::arg("noise").none(),
      nb::arg("path_begin").none(), nb::arg("path").none(), nb::arg("input"), nb::arg("output"), nb::arg("cbow"),
      nb::arg("mean"), nb::arg("shared"), nb::arg("window"), nb::arg("negatives"), nb::arg("lr"), nb::arg("total"),
      nb::arg("held_out_seed"), nb::arg("held_out"));

  m.def(
      "train",
      [](const BoundJob& b, std::int64_t first, std::int64_t last, std::int64_t position, std::uint64_t seed, int threads) {
        require(threads >= 1 && threads <= most_threads, "there must be from 1 to 1024 threads");
        require(0 <= first && first <= last && last <= b.job.block_count, "there must be such blocks");
        train(b.at(position, seed), first, last, threads);
      },
      nb::arg("job"), nb::arg("first_block"), nb::arg("last_block"), nb::kw_only(), nb::arg("position"), nb::arg("seed"),
      nb::arg("threads"), nb::call_guard<nb::gil_scoped_release>(), "Train on a range of blocks.");
  m.def(
      "held_out_loss",
      [](const BoundJob& b, const std::vector<std::int64_t>& sentences, int threads) {
        require(threads >= 1 && threads <= most_threads, "there must be from 1 to 1024 threads");
        for (std::int64_t begin : sentences)
          require(begin >= 0 && begin < b.job.blocks[b.job.block_count], "sentences must begin in the text");
        const Loss loss = held_out_loss(b.job, sentences, threads);
        return std::make_tuple(loss.sum, loss.count);
      },
      nb::arg("job"), nb::arg("sentences"), nb::kw_only(), nb::arg("threads"),
      nb::call_guard<nb::gil_scoped_release>(), "(sum of the losses of all predictions in these sentences, how many predictions).");
  m.def(
      "held_out_sentences",
      [](const BoundJob& b, std::int64_t most_words) { return held_out_sentences(b.job, most_words); }, nb::arg("job"),
      nb::arg("most_words"), "The first tokens of held-out sentences with so many words in all.");
  m.def("windows", &windows_of, nb::arg("job"), nb::arg("block"), nb::kw_only(), nb::arg("seed"),
        "The windows of a block as training meets them.");
  m.def(
      "cut_blocks",
      [](Array<const std::int32_t> ids, std::int64_t size) {
        require(size > 0, "blocks must have a size");
        return given(cut_blocks(ids.data(), static_cast<std::int64_t>(ids.shape(0)), size));
      },
      nb::arg("ids"), nb::arg("size"), "Where blocks of about so many tokens begin, and the end.");
}
