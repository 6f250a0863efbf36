"""Vectors into and out of PyTorch: an embedding layer, and the projection with which a language model begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from carousel.data import Vocabulary
from carousel.embeddings.normalization import nfc
from carousel.errors import CarouselError

Symbols = Vocabulary | Sequence[str]


class HasVectors(Protocol):
    """What `Vectors` offers here. `vectors` imports this file, so this file cannot import `Vectors`."""

    matrix: np.ndarray

    @property
    def dimension(self) -> int: ...
    def __contains__(self, word: object) -> bool: ...
    def __getitem__(self, words: list[str], /) -> np.ndarray: ...


@dataclass(frozen=True)
class Loaded:
    """How many symbols of a model begin with a vector."""

    found: int
    missing: tuple[str, ...]  # symbols without a vector, which keep the values that they had

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.missing[:5])) + (", ..." if len(self.missing) > 5 else "")
        rest = f"; without: {shown}" if self.missing else ""
        return f"{self.found:,} of {self.found + len(self.missing):,} symbols have a vector{rest}"


def to_embedding(
    vectors: HasVectors, vocabulary: Symbols | None = None, *, freeze: bool = False
) -> nn.Embedding:
    """`Vectors.to_embedding`."""
    if vocabulary is None:
        return nn.Embedding.from_pretrained(torch.from_numpy(np.array(vectors.matrix)), freeze=freeze)
    layer = nn.Embedding(len(symbols_of(vocabulary)), vectors.dimension)
    with torch.no_grad():
        layer.weight.normal_(0, float(np.std(vectors.matrix)))
    load_into(layer, vectors, vocabulary)
    layer.weight.requires_grad_(not freeze)
    return layer


@torch.no_grad()
def load_into(
    layer: nn.Embedding, vectors: HasVectors, vocabulary: Symbols, *, rescale: bool = False
) -> Loaded:
    """Set the rows (V, E) of a layer to the vectors of its symbols; rows of symbols without a vector stay.

    A symbol is looked up without the blanks around it, as it is spelt, then in lower case. With `rescale`, all vectors
    are multiplied by one number, so that the mean square of the rows stays what it was.

    Raises CarouselError if E is not the dimension of the vectors, V not the size of the vocabulary, or if no
    symbol has a vector.
    """
    symbols = symbols_of(vocabulary)
    if tuple(layer.weight.shape) != (len(symbols), vectors.dimension):
        raise CarouselError(
            f"the projection must have the shape (symbols, dimension of the vectors), here "
            f"({len(symbols)}, {vectors.dimension}); got {tuple(layer.weight.shape)}. Make the model "
            f"with embedding={vectors.dimension} and this vocabulary."
        )
    spelt = [_spelling(symbol, vectors) for symbol in symbols]
    known = [k for k, word in enumerate(spelt) if word is not None]
    if not known:
        raise CarouselError(
            f"at least one symbol must be a word of these vectors; none of the {len(symbols):,} symbols is. Give a "
            'vocabulary of the level "word".'
        )
    rows = torch.from_numpy(np.array(vectors[[word for word in spelt if word is not None]]))
    if rescale:
        rows *= layer.weight.square().mean().sqrt().cpu() / rows.square().mean().sqrt().clamp_min(1e-12)
    layer.weight[known] = rows.to(layer.weight)
    missing = tuple(symbol for symbol, word in zip(symbols, spelt, strict=True) if word is None)
    return Loaded(len(known), missing)


def from_model(model: nn.Module, vocabulary: Symbols) -> tuple[list[str], np.ndarray]:
    """The words and the matrix (n, E) of `Vectors.from_model`."""
    weight = projection_of(model).weight
    symbols = symbols_of(vocabulary)
    if len(symbols) != len(weight):
        raise CarouselError(
            f"the vocabulary must have as many symbols as the model, {len(weight):,}; it has {len(symbols):,}. "
            "Give the vocabulary that the model was made with."
        )
    rows: dict[str, int] = {}
    for row, symbol in enumerate(symbols):
        rows.setdefault(nfc(_visible(symbol.strip() or symbol)), row)
    return list(rows), weight.detach().float().cpu().numpy()[list(rows.values())]


def projection_of(model: nn.Module) -> nn.Embedding:
    """The layer `embedding` of a model; raises CarouselError where there is none, as with one-hot input."""
    layer = getattr(model, "embedding", None)
    if not isinstance(layer, nn.Embedding):
        raise CarouselError(
            f"a model must have a layer `embedding`, torch.nn.Embedding; {type(model).__name__} has none. Make it "
            "with `embedding`; without, it reads one-hot symbols."
        )
    return layer


def symbols_of(vocabulary: Symbols) -> list[str]:
    """The texts of the symbols, in the order of their numbers."""
    return list(vocabulary.symbols if isinstance(vocabulary, Vocabulary) else vocabulary)


def _spelling(symbol: str, vectors: HasVectors) -> str | None:
    """The word of `vectors` that a symbol is."""
    bare = symbol.strip() or symbol
    return next((word for word in (bare, bare.lower()) if word in vectors), None)


def _visible(symbol: str) -> str:
    """A symbol with its white space as signs, which any format of vectors can hold."""
    return "".join(_sign(letter) if letter.isspace() else letter for letter in symbol)


def _sign(space: str) -> str:
    return "␣" if space == " " else space.encode("unicode_escape").decode()
