"""From a language model's finished run to the numbers of its report: yardsticks, samples, units, gradient, machine."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carousel.data import BOUNDARY, Document, Vocabulary, fit_vocabulary, stream, xz_bits_per_character
from carousel.diagnosis import (
    Diagnosis,
    NextSymbol,
    Property,
    StateGradientNorms,
    diagnose,
    state_gradient_norms,
    text_properties,
    tracking_units,
)
from carousel.diagnosis.measures.gates import GateStatistics, gate_statistics
from carousel.diagnosis.measures.tracking_units import unit_strips, varied_window
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.losses import linear_cross_entropy
from carousel.models.language_model import LanguageModel
from carousel.models.ngram import interpolated
from carousel.models.predictor import Predictor
from carousel.progress import Observer, Stage, silent
from carousel.report.run_facts import configuration, environment, why_stopped
from carousel.report.training.numbers import (
    Comparison,
    CurvePoint,
    Sample,
    Snippet,
    TrainingReport,
)
from carousel.training.api import Run
from carousel.training.language.config import WORDS, LanguageConfig
from carousel.training.language.corpus import Corpus
from carousel.training.language.row import Row
from carousel.training.language.samples import draw_samples
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics

ORDERS = range(1, 6)
SYMBOLS = {"word": "words", "token": "words", "bpe": "byte pairs"}
UNITS = 24  # drawn or listed
STUDIED = 6_000  # tokens on which units and gates are measured
SHOWN = 760  # characters of text that are drawn
LINES = 18  # of them at most
DISTANCE = 200  # steps back that the gradient is followed
PLACES = 32  # in the text, for the gradient
EXAMINED, LANES = 100, 2  # steps and stretches of the text that the diagnosis reads
LEAD = 100  # steps read before, for the state


def gather(run: Run, corpus: Corpus, model: Predictor, on_progress: Observer = silent) -> TrainingReport:
    """All numbers of the report of a language model's run."""
    config: LanguageConfig = run.config
    rows = read_metrics(RunFolder(run.path).metrics, Row)
    curves = [
        CurvePoint(
            row.step,
            row.epoch * corpus.train.characters,
            row.seconds,
            row.train_bits_per_character,
            row.valid_bits_per_character,
            row.gradient_norm,
            row.lr,
        )
        for row in rows
    ]
    on_progress(Stage("fitting n-grams to compare with"))
    comparisons = yardsticks(corpus)
    on_progress(Stage("tracing gates and states"))
    snippet, gates = study(model, corpus)
    on_progress(Stage("following the gradient back in time"))
    return TrainingReport(
        run=str(run.path),
        cell=config.cell if config.model == "rnn" else config.model,
        level=config.level,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        seconds=run.seconds,
        tokens_per_second=statistics.median([row.tokens_per_second for row in rows]) if rows else 0.0,
        characters=curves[-1].characters if curves else 0.0,
        curves=curves,
        best_step=run.best_step,
        best_valid=run.valid.bits_per_character,
        test=run.test.bits_per_character,
        test_characters=run.test.characters,
        characters_per_token=run.test.characters / run.test.tokens,
        comparisons=comparisons,
        samples=samples(model, config.seed),
        snippet=snippet,
        gates=gates,
        gradient=follow_gradient(model, corpus.test.ids),
        diagnosis=examined(model, corpus.test.ids),
        bptt=config.bptt,
        clip=config.clip or None,
        stopped=why_stopped(run),
        config=configuration(run) | _text(config, corpus),
        environment=environment(run),
    )


def _text(config: LanguageConfig, corpus: Corpus) -> dict[str, object]:
    """What a run learned from, and where each part comes from."""
    paths = ", ".join(config.paths) or config.train_file or "Python's own standard library"
    return {"paths": paths, **{f"{part} part": words for part, words in corpus.split.described().items()}}


def yardsticks(corpus: Corpus) -> list[Comparison]:
    """Bits per character of the test files under n-grams of characters and of the run's symbols, and under xz -9.

    Words have no n-grams of characters beside them: their unknown words hide what characters would have to spell.
    A corpus that does not fit into memory has no yardsticks.
    """
    if corpus.large:
        return []
    level = corpus.vocabulary.level
    found = []
    if level not in WORDS:
        characters = fit_vocabulary("char", corpus.split.train)
        train, test = (stream(part, characters) for part in (corpus.split.train, corpus.split.test))
        found += _ngrams(train, test, characters.size, corpus.test.characters, "", "ngram")
    if level != "char":
        of = f" of {SYMBOLS[level]}"
        train, test = corpus.train.ids, corpus.test.ids
        found += _ngrams(train, test, corpus.vocabulary.size, corpus.test.characters, of, "token-ngram")
    xz = xz_bits_per_character(document.text for document in corpus.split.test)
    return [*found, Comparison("xz -9", xz, "compressor")]


def _ngrams(
    train: NDArray[np.integer], test: NDArray[np.integer], symbols: int, characters: int, of: str, kind: str
) -> list[Comparison]:
    per_symbol = interpolated(train, test, symbols, ORDERS)
    share = (len(test) - 1) / characters  # the first symbol is given, not predicted
    return [
        Comparison(f"the interpolated {order}-gram{of}", bits * share, kind)
        for order, bits in per_symbol.items()
    ]


def samples(model: Predictor, seed: int) -> list[Sample]:
    """The texts of samples.txt."""
    drawn = draw_samples(model, seed)
    return [Sample(text, "", temperature, seed) for temperature, text in drawn.items()]


@dataclass(frozen=True)
class _Studied:
    """Held-out text as it is traced: ids with a boundary before each document, and what each token is."""

    ids: NDArray[np.int64]
    pieces: list[str]
    properties: list[Property]
    starts: list[int]  # tokens at which a line begins
    names: list[tuple[int, str]]  # (first token, document)


def study(model: Predictor, corpus: Corpus) -> tuple[Snippet | None, list[GateStatistics]]:
    """Units drawn on a snippet of test text, and how all gates stand over the text around it.

    A model without recurrence has neither.
    """
    if not isinstance(model, LanguageModel):
        return None, []
    text = _studied(corpus.split.test, corpus.vocabulary)
    if len(text.ids) < 64:
        return None, []
    with torch.no_grad():
        traces = model.recurrent.trace(model.embed(torch.from_numpy(text.ids)[:, None]))
    units = tracking_units(traces, text.properties, UNITS)
    per_token = max(1.0, len("".join(text.pieces)) / len(text.pieces))
    window = varied_window(text.properties, text.starts, min(int(SHOWN / per_token), len(text.ids)))
    start = window.start + int(text.ids[window.start] == BOUNDARY)  # which is no text
    window = slice(start, _end_of_line(text.pieces, window, LINES))
    name = [name for start, name in text.names if start <= window.start][-1]
    pieces = text.pieces[window]
    snippet = Snippet(pieces, unit_strips(traces, units, window), name, len(text.ids)) if units else None
    return snippet, gate_statistics(traces)


def _end_of_line(pieces: Sequence[str], window: slice, lines: int) -> int:
    """Where the window ends if it shows so many lines at most."""
    for k in range(window.start, window.stop):
        lines -= pieces[k].count("\n")
        if lines <= 0:
            return k + 1
    return int(window.stop)


def _studied(documents: Sequence[Document], vocabulary: Vocabulary) -> _Studied:
    """Documents until there are enough tokens, those of a readable length first."""
    readable = [each for each in documents if 2_000 <= each.characters <= 20_000]
    ids: list[int] = []
    pieces: list[str] = []
    parts: list[list[Property]] = []
    names: list[tuple[int, str]] = []
    for document in readable or documents:
        encoded = vocabulary.encode(next(document.pieces()))[: STUDIED - len(ids) - 1].tolist()
        if len(encoded) < 8:
            break
        names.append((len(ids), document.name))
        # The boundary reads like the end of a line: whatever was open before it is closed.
        own = ["\n", *(vocabulary.pieces[number].decode("utf-8", "replace") for number in encoded)]
        parts.append(text_properties(own))
        pieces += own
        ids += [BOUNDARY, *encoded]
    properties = [
        Property(
            each[0].name, each[0].meaning, np.concatenate([part.values for part in each]), each[0].binary
        )
        for each in zip(*parts, strict=True)
    ]
    starts = [k + 1 for k, piece in enumerate(pieces[:-1]) if piece.endswith("\n")]
    return _Studied(np.array(ids, dtype=np.int64), pieces, properties, starts, names)


def examined(model: Predictor, ids: NDArray[np.integer]) -> Diagnosis | None:
    """The diagnosis of a recurrent model on stretches of the test text; None of one without such layers, or text.

    Its loss is what the model has learned to lower: that of the symbol which follows each stretch.
    """
    size = EXAMINED + 1
    if not any(is_recurrent(module) for module in model.modules()) or len(ids) < size:
        return None
    starts = np.linspace(0, len(ids) - size, min(LANES, len(ids) // size)).astype(int)
    tokens = torch.from_numpy(
        np.stack([ids[start : start + size] for start in starts], axis=1).astype(np.int64)
    )
    with _last_step_alone(model.head):
        return diagnose(model, tokens[:-1], NextSymbol(tokens[-1]))


def follow_gradient(model: Predictor, ids: NDArray[np.integer]) -> StateGradientNorms | None:
    """The gradient by distance at places spread evenly over the test text.

    None where that is too short, and for a model without recurrence.
    """
    if not isinstance(model, LanguageModel):
        return None
    distance = min(DISTANCE, len(ids) // 4)
    length = distance + min(LEAD, distance)
    if distance < 2:
        return None
    places = np.linspace(0, len(ids) - length - 1, PLACES).astype(np.int64)
    tokens = torch.from_numpy(
        np.stack([ids[start : start + length + 1] for start in places], axis=1).astype(np.int64)
    )
    # in double precision, so that a gradient that vanishes is not taken for one that is zero
    recurrent = copy.deepcopy(model.recurrent).double().requires_grad_(False).eval()
    weight, bias = (each.detach().double() for each in (model.head.weight, model.head.bias))

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return recurrent(model.embed(tokens).detach().double(), state)

    def loss(features: Tensor, targets: Tensor) -> Tensor:
        return linear_cross_entropy(features, weight, targets, bias, reduction="sum")

    return state_gradient_norms(step, tokens[:-1], tokens[-1], lags=distance, loss=loss)


@contextmanager
def _last_step_alone(head: nn.Module) -> Iterator[None]:
    """Inside, the output layer reads the last step alone, as the loss does; logits of all steps may take gigabytes."""
    handle = head.register_forward_pre_hook(lambda _, given: (given[0][-1:],))
    try:
        yield
    finally:
        handle.remove()
