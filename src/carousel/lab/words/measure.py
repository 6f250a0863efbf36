"""Words as vectors: one-hot, projected by PW, and what a recurrent net, a TDNN, CBOW and skip-gram learn of them.

The text is the source of Python's standard library, as words. One-hot vectors know nothing of each other; a projection
is the same product as a look-up, costs less, and puts related words near each other.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.data import read, standard_library
from carousel.embeddings import Vectors, embed
from carousel.embeddings.plane import word_map
from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.lab.formulas import TDNN, Bag, SkipGram, written
from carousel.losses import cross_entropy
from carousel.models import LanguageModel, TDNNLanguageModel
from carousel.report.charts import Chart, Line, Points, Scatter
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import count, number, power

VOCABULARY = 2_000
WIDTH = 32  # of the projection
HIDDEN = 64
CONTEXTS = (1, 2, 4, 8)
LONGER = "TDNN, N = 4, trained longer"  # the one whose projection is looked at
MARGIN = 0.1  # related words are near each other where their mean cosine is above that of others by more
RELATED = (  # words that stand in the same places of a program
    ("append", "extend", "insert", "pop", "remove"), ("keys", "values", "items"), ("open", "close"),
    ("read", "write"), ("true", "false", "none"), ("int", "float", "str", "bytes"), ("list", "tuple", "dict"),
    ("if", "elif", "else"), ("for", "while"), ("import", "from"), ("raise", "except", "try"), ("first", "last"),
    ("start", "end"), ("min", "max"),
)  # fmt: skip
ASKED = tuple(word for group in RELATED for word in group)


@dataclass(frozen=True)
class Text:
    """Words as numbers, 0 for every rare one; the last tenth is held out."""

    words: list[str]
    train: Tensor
    held_out: Tensor


@dataclass(frozen=True)
class Learned:
    """A language model after training: perplexity on held-out text, parameters, time for one training step."""

    model: nn.Module
    perplexity: float
    parameters: int
    milliseconds: float


def run(budget: Budget, progress: Progress) -> Findings:
    """One-hot against projection, TDNN against recurrent, three kinds of projections on a map."""
    progress(0.0, "reading the standard library")
    text, sentences = load(budget.choose(300_000, 1_000_000))
    steps, longer = budget.choose((120, 240), (1_000, 5_000))
    models: dict[str, Learned] = {}
    wanted: list[tuple[str, nn.Module]] = [
        ("GRU, projection", LanguageModel(VOCABULARY, cell="gru", hidden=HIDDEN, embedding=WIDTH)),
        ("GRU, one-hot", LanguageModel(VOCABULARY, cell="gru", hidden=HIDDEN, one_hot=True)),
    ]
    wanted += [
        (f"TDNN, N = {n}", TDNNLanguageModel(VOCABULARY, context=n, hidden=HIDDEN, embedding=WIDTH))
        for n in CONTEXTS
    ]
    for k, (name, model) in enumerate(wanted):
        progress(0.1 + 0.4 * k / len(wanted), name)
        models[name] = learn(model, text, steps)
    progress(0.5, LONGER)
    models[LONGER] = learn(
        TDNNLanguageModel(VOCABULARY, context=4, hidden=HIDDEN, embedding=WIDTH), text, longer
    )
    progress(0.7, "CBOW and skip-gram")
    projections = {
        "CBOW": train_vectors(sentences, "cbow"),
        "skip-gram": train_vectors(sentences, "skipgram"),
        "TDNN, N = 4": from_table(models[LONGER].model, text.words),
    }
    progress(0.9, "distances and maps")
    apart = distances(projections["skip-gram"])
    related = {name: cosines(vectors) for name, vectors in projections.items()}
    frequencies = frequency_perplexity(text)
    same = product_is_lookup()
    numbers: dict[str, float | Sequence[float]] = {
        "one-hot distances": list(apart["one-hot"]),
        "skip-gram distances": list(apart["skip-gram"]),
        "product against look-up": same,
        "text, words": float(len(text.train) + len(text.held_out)),
        "word frequencies alone: held-out perplexity": frequencies,
    }
    for name, (inside, across) in related.items():
        numbers[f"{name}: mean cosine of related words"] = inside
        numbers[f"{name}: mean cosine of other words"] = across
    for name, learned in models.items():
        numbers[f"{name}: held-out perplexity"] = learned.perplexity
        numbers[f"{name}: parameters"] = float(learned.parameters)
        numbers[f"{name}: milliseconds a step"] = learned.milliseconds
    sections = [
        _distance_section(apart),
        _model_section(models, frequencies, steps, longer),
        _context_section(models),
        _map_section(projections, related, longer),
    ]
    equations = {
        "TDNN, N = 4: x a one-hot word, p1 its projection, z the scores of the next": formula.text(
            TDNN().equations
        ),
        "GRU": formula.text(CELLS["gru"].equations),
        "Skip-gram: v a word's vector, u that of a word beside it, n of one drawn at random": written(
            SkipGram(), True
        ),
        "CBOW: the vectors of the words around it are averaged": written(Bag(), True),
    }
    return Findings(_claims(apart, same, models, related, frequencies), sections, numbers, equations, cover=3)


# ---- the text ----


def load(length: int) -> tuple[Text, list[list[str]]]:
    """About `length` words of the standard library, every k-th file, lower case; sentences are its lines."""
    files = standard_library()
    lines: list[list[str]] = []
    total = 0
    for document in read(files[:: max(1, len(files) * 4_000 // length)]):
        for line in document.text.splitlines():
            words = re.findall(r"[a-z]+", line.lower())
            if words:
                lines.append(words)
                total += len(words)
        if total >= length:
            break
    flat = [word for line in lines for word in line]
    known = [word for word, _ in Counter(flat).most_common(VOCABULARY - 1)]
    number_of = {word: k + 1 for k, word in enumerate(known)}
    ids = torch.tensor([number_of.get(word, 0) for word in flat])
    held = len(ids) // 10
    return Text(["<rare>", *known], ids[:-held], ids[-held:]), lines


# ---- language models ----


def learn(model: nn.Module, text: Text, steps: int, batch: int = 16, length: int = 32) -> Learned:
    """Train on random windows, measure on the held-out words read as one stream."""
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    generator = torch.Generator().manual_seed(2)
    spent = []
    for _ in range(steps):
        starts = torch.randint(len(text.train) - length - 1, (batch,), generator=generator)
        window = torch.stack([text.train[s : s + length + 1] for s in starts.tolist()], dim=1)
        began = time.perf_counter()
        loss = cross_entropy(model(window[:-1])[0], window[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        spent.append(time.perf_counter() - began)
    with torch.no_grad():
        held = text.held_out[: 20_000 + 1, None]
        loss = cross_entropy(model(held[:-1])[0], held[1:])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Learned(
        model, math.exp(float(loss)), parameters, 1_000 * median(spent)
    )  # a pause of the machine counts once


# ---- projections ----


def train_vectors(sentences: list[list[str]], method: str) -> Vectors:
    """Word vectors of the same text and width, trained by `carousel.embed`."""
    options = {"dimension": WIDTH, "epochs": 8, "seed": 1, "deterministic": True, "min_count": 5}
    return embed(sentences, method=method, **options).vectors


def from_table(model: nn.Module, words: list[str]) -> Vectors:
    """The projection that a language model has learned, a vector for each word."""
    [table] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    return Vectors(words, table.weight.detach().numpy().copy())


def distances(vectors: Vectors, sample: int = 300) -> dict[str, tuple[float, float]]:
    """Smallest and largest Euclidean distance of two of the most frequent words, one-hot and projected to length 1."""
    one_hot = torch.cdist(torch.eye(sample, dtype=torch.float64), torch.eye(sample, dtype=torch.float64))
    matrix = torch.tensor(np.stack([vectors[word] for word in vectors.words[:sample]])).double()
    matrix = F.normalize(matrix, dim=1)
    projected = (2 - 2 * matrix @ matrix.T).clamp_min(0).sqrt()
    off = ~torch.eye(sample, dtype=torch.bool)
    return {
        name: (float(table[off].min()), float(table[off].max()))
        for name, table in (("one-hot", one_hot), ("skip-gram", projected))
    }


def cosines(vectors: Vectors) -> tuple[float, float]:
    """Mean cosine of two words of one group of RELATED, and of two words of different groups."""
    groups = torch.tensor([k for k, group in enumerate(RELATED) for word in group if word in vectors])
    known = [word for word in ASKED if word in vectors]
    matrix = F.normalize(torch.tensor(np.stack([vectors[word] for word in known])).double(), dim=1)
    table, same = matrix @ matrix.T, groups[:, None] == groups
    inside = same & ~torch.eye(len(known), dtype=torch.bool)
    return float(table[inside].mean()), float(table[~same].mean())


def frequency_perplexity(text: Text) -> float:
    """Held-out perplexity of the words' frequencies in the training text, each counted once more: no context."""
    counts = torch.bincount(text.train, minlength=VOCABULARY).double() + 1
    surprise = -(counts / counts.sum()).log()
    return math.exp(float(surprise[text.held_out[1 : 20_000 + 1]].mean()))


def product_is_lookup() -> float:
    """Largest difference of PW times a one-hot vector and the column of PW that is looked up, for all words."""
    torch.manual_seed(4)
    table = nn.Embedding(VOCABULARY, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        product = table.weight.T @ torch.eye(VOCABULARY, dtype=torch.float64)
        return float((product.T - table(torch.arange(VOCABULARY))).abs().max())


def neighbours(vectors: Vectors, word: str, number_of: int = 4) -> str:
    """The nearest words of a word, or that it is not known."""
    if word not in vectors:
        return "not in the vocabulary"
    return ", ".join(near.word for near in vectors.nearest(word, top=number_of))


# ---- what the page says ----


def _claims(
    apart: dict[str, tuple[float, float]],
    same: float,
    models: dict[str, Learned],
    related: dict[str, tuple[float, float]],
    frequencies: float,
) -> list[Claim]:
    one_hot, projected = models["GRU, one-hot"], models["GRU, projection"]
    by_context = {n: models[f"TDNN, N = {n}"].perplexity for n in CONTEXTS}
    best = min(by_context, key=lambda n: by_context[n])
    told = ", ".join(f"{number(value, 0)} for N = {n}" for n, value in by_context.items())
    near = [name for name, (inside, across) in related.items() if inside > across + MARGIN]
    compared = "; ".join(
        f"{number(inside)} and {number(across)} by {name}" for name, (inside, across) in related.items()
    )
    low, high = apart["skip-gram"]
    better = projected.perplexity <= one_hot.perplexity
    learned, kept = by_context[best] < frequencies, "TDNN, N = 4" in near
    short = "it is trained for longer than here. " if not learned else "only the predicting is asked for. "
    condition = f"the projection is that of {' or '.join(near)}. " if 0 < len(near) < len(related) else ""
    return [
        Claim(
            "One-hot vectors make no assumptions about words: all are equally far apart. A projection brings related "
            "words together.",
            Verdict.of(len(near), len(related)),
            f"{condition}One-hot vectors lie "
            f"{number(apart['one-hot'][0], 4)} to {number(apart['one-hot'][1], 4)} apart, √2 is "
            f"{number(math.sqrt(2), 4)}; skip-gram's, at length 1, {number(low, 2)} to {number(high, 2)}. The mean "
            f"cosine of related words (append, extend; if, else; …) and of others is {compared}; near are those that "
            f"have more than {MARGIN:g} between the two.",
        ),
        Claim(
            "One-hot vectors are wasteful; PW is a linear transform of them.",
            Verdict.HOLDS if better else Verdict.CONDITIONAL,
            f"{'' if better else 'parameters count for more than the loss. '}PW times a one-hot vector is the "
            f"look-up, to {power(same)}. A GRU with a projection has {count(projected.parameters)} parameters and a "
            f"held-out perplexity of {number(projected.perplexity, 0)}, with one-hot input "
            f"{count(one_hot.parameters)} and {number(one_hot.perplexity, 0)}; a training step takes "
            f"{number(projected.milliseconds, 1)} and {number(one_hot.milliseconds, 1)} ms.",
        ),
        Claim(
            "The TDNN predicts each word from the past N words, and learns projections on the way.",
            Verdict.HOLDS if learned and kept else Verdict.CONDITIONAL,
            f"{'' if learned and kept else short}Held-out perplexity {told} (best N = "
            f"{best}); the words' frequencies alone, without any context, have {number(frequencies, 0)}, and a GRU "
            f"of the same width that reads everything has {number(projected.perplexity, 0)} after as many steps. "
            f"Trained longer, N = 4 comes to {number(models[LONGER].perplexity, 0)}, and its related words have a "
            f"mean cosine of {number(related['TDNN, N = 4'][0])}, others {number(related['TDNN, N = 4'][1])}.",
        ),
    ]


def _distance_section(apart: dict[str, tuple[float, float]]) -> Section:
    rows = [[name, number(low, 4), number(high, 4)] for name, (low, high) in apart.items()]
    table = Table(
        ["", "nearest pair", "farthest pair"], rows, "The 300 most frequent words, Euclidean distance."
    )
    words = "A one-hot vector is 1 at its word and 0 elsewhere: no word is nearer to one than to another."
    return Section("How far apart words are", words, [table])


def _model_section(models: dict[str, Learned], frequencies: float, steps: int, longer: int) -> Section:
    rows = [
        [name, count(each.parameters), number(each.milliseconds, 1), number(each.perplexity, 0)]
        for name, each in models.items()
    ]
    rows.append(["word frequencies alone", "", "", number(frequencies, 0)])
    table = Table(
        ["", "parameters", "ms a training step", "held-out perplexity"],
        rows,
        "Steps of 16 windows of 32 words.",
    )
    words = (
        f"The {count(VOCABULARY)} most frequent words; every other is one rare word. Each model took {count(steps)} "
        f"steps, the one trained longer {count(longer)}."
    )
    return Section("Language models of the same text", words, [table])


def _context_section(models: dict[str, Learned]) -> Section:
    values = [models[f"TDNN, N = {n}"].perplexity for n in CONTEXTS]
    recurrent = models["GRU, projection"].perplexity
    chart = Chart(
        "Held-out perplexity of the TDNN by its context",
        f"Beside a GRU at {recurrent:.0f}",
        "N, words it sees",
        "held-out perplexity",
        [Line("TDNN", list(CONTEXTS), values, "s1", dots=True)],
        levels=[("GRU", recurrent)],
        y_range=(0.9 * min(*values, recurrent), 1.05 * max(*values, recurrent)),
    )
    best = CONTEXTS[values.index(min(values))]
    caption = f"Best with N = {best}. Every further word costs parameters; the recurrent net has no N."
    return Section("How many past words?", "", [Figure(chart, caption)])


def _map_section(
    projections: dict[str, Vectors], related: dict[str, tuple[float, float]], longer: int
) -> Section:
    drawings = [_map(name, vectors) for name, vectors in projections.items()]
    slider = Slider(
        "projection",
        list(projections),
        drawings,
        "The same words in the two widest directions of each projection. What is used alike lies together.",
        start=1,
    )
    rows = [
        [f"{word}, {name}", neighbours(vectors, word)]
        for word in ("append", "keys", "true", "for", "raise")
        for name, vectors in projections.items()
    ]
    near = Table(["word, projection", "nearest words"], rows, "By cosine, in all directions of a projection.")
    means = Table(
        ["", "related words", "other words"],
        [[name, number(inside), number(across)] for name, (inside, across) in related.items()],
        "Mean cosine of two of the words on the map, of one kind (append, extend, …) and of different kinds.",
    )
    words = (
        "CBOW and skip-gram see words on both sides, the TDNN only those before. The TDNN is the one that was trained "
        f"for {count(longer)} steps."
    )
    return Section("A map of words", words, [slider, means, near])


def _map(name: str, vectors: Vectors) -> Scatter:
    asked = [word for word in ASKED if word in vectors]
    placed = word_map(vectors, words=asked, method="pca")
    return Scatter(
        f"Words by {name}",
        f"{len(asked)} words in the two widest directions of {vectors.dimension}",
        "first direction",
        "second direction",
        [Points("", placed.x.tolist(), placed.y.tolist(), "s1", words=placed.words)],
        height=460,
    )
