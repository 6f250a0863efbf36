"""Vectors into and out of PyTorch: an embedding layer, and the projection with which a language model begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from carousel.data import Vocabulary
from carousel.embeddings.letters import composed
from carousel.errors import CarouselError

Symbols = Vocabulary | Sequence[str]


class Lookup(Protocol):
    """What is asked of word vectors here; `Vectors` answers it."""

    matrix: np.ndarray

    @property
    def dimension(self) -> int: ...
    def __contains__(self, word: object) -> bool: ...
    def __getitem__(self, words: list[str], /) -> np.ndarray: ...


@dataclass(frozen=True)
class Loaded:
    """How many symbols have a vector now, and those that had none and keep the values they had."""

    found: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.missing[:5])) + (", ..." if len(self.missing) > 5 else "")
        rest = f"; without: {shown}" if self.missing else ""
        return f"{self.found:,} of {self.found + len(self.missing):,} symbols have a vector{rest}"


def to_embedding(vectors: Lookup, vocabulary: Symbols | None = None, *, freeze: bool = False) -> nn.Embedding:
    """A layer (n, d) with a row for each word, or for each symbol of `vocabulary`; `load_into` says how.

    Symbols without a vector begin with normal numbers of the deviation of the known ones.
    """
    if vocabulary is None:
        layer = nn.Embedding.from_pretrained(torch.from_numpy(np.array(vectors.matrix)), freeze=freeze)
        return layer
    layer = nn.Embedding(len(symbols_of(vocabulary)), vectors.dimension)
    with torch.no_grad():
        layer.weight.normal_(0, float(np.std(vectors.matrix)))
    load_into(layer, vectors, vocabulary)
    layer.weight.requires_grad_(not freeze)
    return layer


@torch.no_grad()
def load_into(layer: nn.Embedding, vectors: Lookup, vocabulary: Symbols, *, rescale: bool = False) -> Loaded:
    """Set the rows (V, E) of a layer to the vectors of its symbols; those that have none stay as they are.

    A symbol is looked up without the blanks around it, as it is spelt or else in lower case. With `rescale`
    all vectors are multiplied by one number, so that the size of the values stays what it was.

    Raises CarouselError if E is not the dimension of the vectors, V not the size of the vocabulary, or if no
    symbol has a vector.
    """
    symbols = symbols_of(vocabulary)
    if tuple(layer.weight.shape) != (len(symbols), vectors.dimension):
        raise CarouselError(
            f"the projection must have a row for each symbol and the vectors' dimension, here "
            f"({len(symbols)}, {vectors.dimension}); got {tuple(layer.weight.shape)}. Make the model "
            f"with embedding={vectors.dimension} and the vocabulary that is given here."
        )
    spelt = [_spelling(symbol, vectors) for symbol in symbols]
    known = [k for k, word in enumerate(spelt) if word is not None]
    if not known:
        raise CarouselError(
            f"none of the {len(symbols):,} symbols is a word of these vectors; vectors of words fit a "
            'vocabulary of the level "word".'
        )
    rows = torch.from_numpy(np.array(vectors[[word for word in spelt if word is not None]]))
    if rescale:
        rows *= layer.weight.square().mean().sqrt().cpu() / rows.square().mean().sqrt().clamp_min(1e-12)
    layer.weight[known] = rows.to(layer.weight)
    missing = tuple(symbol for symbol, word in zip(symbols, spelt, strict=True) if word is None)
    return Loaded(len(known), missing)


def from_model(model: nn.Module, vocabulary: Symbols) -> tuple[list[str], np.ndarray]:
    """The words and the matrix (n, E) of a model's projection.

    A word is a symbol without the blanks around it; of symbols that are then equal the first stands for all.
    White space elsewhere is written so that it is seen: a blank as ␣, a line end as \\n.

    Raises CarouselError for a model without vectors, and for a vocabulary of another size.
    """
    weight = projection_of(model).weight
    symbols = symbols_of(vocabulary)
    if len(symbols) != len(weight):
        raise CarouselError(
            f"the model has vectors for {len(weight):,} symbols, but the vocabulary has {len(symbols):,}; "
            "give the vocabulary that the model was made with."
        )
    rows: dict[str, int] = {}
    for row, symbol in enumerate(symbols):
        rows.setdefault(composed(_visible(symbol.strip() or symbol)), row)
    return list(rows), weight.detach().float().cpu().numpy()[list(rows.values())]


def projection_of(model: nn.Module) -> nn.Embedding:
    """The layer `embedding` of a model; raises CarouselError where there is none, as with one-hot input."""
    layer = getattr(model, "embedding", None)
    if not isinstance(layer, nn.Embedding):
        raise CarouselError(
            f"{type(model).__name__} has no vectors of symbols in a layer `embedding`: a model that reads "
            "one-hot symbols has none."
        )
    return layer


def symbols_of(vocabulary: Symbols) -> list[str]:
    """The texts of the symbols, in the order of their numbers."""
    return list(vocabulary.symbols if isinstance(vocabulary, Vocabulary) else vocabulary)


def _spelling(symbol: str, vectors: Lookup) -> str | None:
    """The word of `vectors` that a symbol is."""
    bare = symbol.strip() or symbol
    return next((word for word in (bare, bare.lower()) if word in vectors), None)


def _visible(symbol: str) -> str:
    """A symbol with its white space as signs, which any format of vectors can hold."""
    return "".join(_sign(letter) if letter.isspace() else letter for letter in symbol)


def _sign(space: str) -> str:
    return "␣" if space == " " else space.encode("unicode_escape").decode()
