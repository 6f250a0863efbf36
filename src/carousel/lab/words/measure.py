"""Words as vectors: one-hot, projected by PW, and as learned by a GRU, TDNNs, CBOW and skip-gram.

The text is the source of Python's standard library, as words.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.data import read, standard_library
from carousel.embeddings import Vectors, embed
from carousel.lab.experiment import Budget
from carousel.lab.training import updates
from carousel.losses import cross_entropy
from carousel.models import LanguageModel, TDNNLanguageModel
from carousel.models.sampling import sample
from carousel.progress import Observer, Progress

VOCABULARY = 2_000
WIDTH = 32  # of the projection
HIDDEN = 64
CONTEXTS = (1, 2, 4, 8)
HELD_OUT = 20_000  # words on which a perplexity is measured
LONGER = "TDNN, N = 4, trained longer"  # the TDNN whose projection is measured
RELATED = (  # words that occur in the same places of a program
    ("append", "extend", "insert", "pop", "remove"), ("keys", "values", "items"), ("open", "close"),
    ("read", "write"), ("true", "false", "none"), ("int", "float", "str", "bytes"), ("list", "tuple", "dict"),
    ("if", "elif", "else"), ("for", "while"), ("import", "from"), ("raise", "except", "try"), ("first", "last"),
    ("start", "end"), ("min", "max"),
)  # fmt: skip
MAPPED = tuple(word for group in RELATED for word in group)


@dataclass(frozen=True)
class Text:
    """Words as numbers, 0 for every rare word; the last tenth is held out."""

    words: list[str]
    train: Tensor
    held_out: Tensor


@dataclass(frozen=True)
class Learned:
    """A language model after training: its held-out perplexity, and the median time of a training step."""

    model: nn.Module = field(repr=False)
    perplexity: float
    parameters: int
    milliseconds: float


@dataclass(frozen=True)
class Range:
    """The smallest and the largest distance between two words."""

    nearest: float
    farthest: float


@dataclass(frozen=True)
class Cosines:
    """The mean cosine of two words of one group of RELATED, and of two words of different groups."""

    related: float
    other: float


@dataclass(frozen=True)
class Measurements:
    """Language models of one text, projections that were learned from it, and what tells them from one-hot vectors."""

    words: int  # of the text
    steps: int  # of training; the model LONGER takes `longer`
    longer: int
    models: dict[str, Learned]
    projections: dict[str, Vectors] = field(repr=False)
    distances: dict[str, Range]
    cosines: dict[str, Cosines]  # by projection
    samples: dict[str, str]  # a text that each model writes
    frequency_perplexity: float
    product_error: float  # of PW times a one-hot vector, against the look-up


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """One-hot against projected words, TDNNs against a GRU, and three kinds of projections."""
    on_progress(Progress("reading the standard library", 0.0))
    text, sentences = load(budget.choose(300_000, 1_000_000))
    steps, longer = budget.choose((120, 240), (1_000, 5_000))
    untrained: dict[str, nn.Module] = {
        "GRU, projection": LanguageModel(VOCABULARY, cell="gru", hidden_size=HIDDEN, embedding=WIDTH),
        "GRU, one-hot": LanguageModel(VOCABULARY, cell="gru", hidden_size=HIDDEN, one_hot=True),
        **{f"TDNN, N = {n}": _tdnn(n) for n in CONTEXTS},
    }
    models = {}
    for k, (name, model) in enumerate(untrained.items()):
        on_progress(Progress(name, 0.1 + 0.4 * k / len(untrained)))
        models[name] = learn(model, text, steps)
    on_progress(Progress(LONGER, 0.5))
    models[LONGER] = learn(_tdnn(4), text, longer)
    on_progress(Progress("CBOW and skip-gram", 0.7))
    projections = {
        "CBOW": train_vectors(sentences, "cbow"),
        "skip-gram": train_vectors(sentences, "skipgram"),
        "TDNN, N = 4": projection_of(models[LONGER].model, text.words),
    }
    return Measurements(
        len(text.train) + len(text.held_out),
        steps,
        longer,
        models,
        projections,
        distances(projections["skip-gram"]),
        {name: mean_cosines(vectors) for name, vectors in projections.items()},
        {name: written(learned.model, text) for name, learned in models.items()},
        frequency_perplexity(text),
        product_error(),
    )


def _tdnn(context: int) -> TDNNLanguageModel:
    return TDNNLanguageModel(VOCABULARY, context=context, hidden_size=HIDDEN, embedding=WIDTH)


# ---- the text ----


def load(length: int) -> tuple[Text, list[list[str]]]:
    """About `length` words of every k-th file of the standard library, in lower case; sentences are its lines."""
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
    """Train on random windows, and measure on the held-out words as one stream."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)

    def loss() -> Tensor:
        starts = torch.randint(len(text.train) - length - 1, (batch,), generator=generator)
        window = torch.stack([text.train[s : s + length + 1] for s in starts.tolist()], dim=1)
        return cross_entropy(model(window[:-1])[0], window[1:])

    training, seconds = updates([model], loss, 3e-3), []
    for _ in range(steps):
        start = time.perf_counter()
        next(training)
        seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        words = text.held_out[: HELD_OUT + 1, None]
        perplexity = math.exp(float(cross_entropy(model(words[:-1])[0], words[1:])))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Learned(model, perplexity, parameters, 1_000 * median(seconds))


def written(model: nn.Module, text: Text, words: int = 24) -> str:
    """Words that the model draws one by one, from `def` on; the entry for rare words is never drawn."""
    drawn = sample(model, [text.words.index("def")], words, temperature=0.8, seed=1, never=[0])
    return " ".join(["def", *(text.words[word] for word in drawn)])


# ---- projections ----


def train_vectors(sentences: list[list[str]], method: str) -> Vectors:
    """Word vectors of the same text and width, trained by `carousel.embed`."""
    return embed(
        sentences, method=method, dimension=WIDTH, epochs=8, seed=1, deterministic=True, min_count=5
    ).vectors


def projection_of(model: nn.Module, words: list[str]) -> Vectors:
    """The projection that a language model has learned: a vector for each word."""
    [table] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    return Vectors(words, table.weight.detach().numpy().copy())


def distances(vectors: Vectors, sample: int = 300) -> dict[str, Range]:
    """Euclidean distances between the most frequent words, as one-hot vectors and as vectors of length 1."""
    one_hot = torch.cdist(torch.eye(sample, dtype=torch.float64), torch.eye(sample, dtype=torch.float64))
    matrix = torch.tensor(np.stack([vectors[word] for word in vectors.words[:sample]])).double()
    matrix = F.normalize(matrix, dim=1)
    projected = (2 - 2 * matrix @ matrix.T).clamp_min(0).sqrt()
    off = ~torch.eye(sample, dtype=torch.bool)
    return {
        name: Range(float(table[off].min()), float(table[off].max()))
        for name, table in (("one-hot", one_hot), ("skip-gram", projected))
    }


def mean_cosines(vectors: Vectors) -> Cosines:
    """Over all pairs of the words of RELATED that have a vector."""
    groups = torch.tensor([k for k, group in enumerate(RELATED) for word in group if word in vectors])
    known = [word for word in MAPPED if word in vectors]
    matrix = F.normalize(torch.tensor(np.stack([vectors[word] for word in known])).double(), dim=1)
    table, same = matrix @ matrix.T, groups[:, None] == groups
    inside = same & ~torch.eye(len(known), dtype=torch.bool)
    return Cosines(float(table[inside].mean()), float(table[~same].mean()))


def frequency_perplexity(text: Text) -> float:
    """Held-out perplexity of the word frequencies in the training text, with one added to each count."""
    counts = torch.bincount(text.train, minlength=VOCABULARY).double() + 1
    surprise = -(counts / counts.sum()).log()
    return math.exp(float(surprise[text.held_out[1 : HELD_OUT + 1]].mean()))


def product_error() -> float:
    """Largest difference between PW times a one-hot vector and the column of PW that a look-up returns."""
    torch.manual_seed(4)
    table = nn.Embedding(VOCABULARY, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        product = table.weight.T @ torch.eye(VOCABULARY, dtype=torch.float64)
        return float((product.T - table(torch.arange(VOCABULARY))).abs().max())
