"""A recurrent language model: symbols in, at each step a score for every symbol that may come next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import carousel.nn
from carousel.data import Vocabulary, vocabulary_from_json
from carousel.errors import CarouselError
from carousel.models.cells import CELLS
from carousel.models.initial import initialise, initialise_ends
from carousel.models.sampling import generate
from carousel.models.tensors import load_tensors, save_tensors

State = Tensor | tuple[Tensor, ...]
KIND = "language model"
DEFAULT_EMBEDDING = 128


class LanguageModel(nn.Module):
    """Symbol -> vector -> recurrent layers -> logits over the V symbols (Mikolov et al. 2010).

    Args:
        vocabulary_size: V.
        cell: one of `carousel.models.CELLS`: "lstm", "gru", "rnn-tanh", "lstm-diagonal", ...
        hidden: H, units of each layer.
        layers: number of recurrent layers.
        embedding: E, size of the symbols' vectors; None: 128, or H if that is smaller or `tie`.
        one_hot: no vectors; the cell reads the symbol as one-hot vector of size V.
        tie: the vectors are the output weights as well (Press & Wolf 2017; Inan et al. 2017); E must be H.
        dropout: share of values dropped on the way in, between layers and on the way out, never from step
            to step (Zaremba et al. 2014).

    Raises CarouselError for sizes below 1, an unknown cell, and options that exclude each other.

    >>> model = LanguageModel(vocabulary_size=50, cell="gru", hidden=16)
    >>> logits, state = model(torch.zeros(7, 3, dtype=torch.int64))
    >>> logits.shape, state.shape
    (torch.Size([7, 3, 50]), torch.Size([1, 3, 16]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        cell: str = "lstm",
        hidden: int = 512,
        layers: int = 1,
        embedding: int | None = None,
        one_hot: bool = False,
        tie: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check(vocabulary_size, cell, hidden, layers, embedding, one_hot, tie, dropout)
        if embedding is None and not one_hot:
            embedding = hidden if tie else min(hidden, DEFAULT_EMBEDDING)
        self.options: dict[str, Any] = {
            "vocabulary_size": vocabulary_size,
            "cell": cell,
            "hidden": hidden,
            "layers": layers,
            "embedding": embedding,
            "one_hot": one_hot,
            "tie": tie,
            "dropout": dropout,
        }
        kind, cell_options = CELLS[cell]
        between = dropout if layers > 1 else 0.0
        self.embedding = None if embedding is None else nn.Embedding(vocabulary_size, embedding)
        self.recurrent = getattr(carousel.nn, kind)(
            embedding or vocabulary_size, hidden, layers, dropout=between, **cell_options
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, vocabulary_size)
        vectors = None if self.embedding is None else self.embedding.weight
        if tie and vectors is not None:
            self.head.weight = vectors
        initialise_ends(vectors, self.recurrent, self.head, tied=tie)
        initialise(self.recurrent, one_hot=one_hot)

    @property
    def vocabulary_size(self) -> int:
        """V, the number of symbols."""
        return self.head.out_features

    def embed(self, tokens: Tensor) -> Tensor:
        """What the recurrent layers read: tokens (T, B) int64 -> (T, B, E), or (T, B, V) for one-hot.

        Raises CarouselError for a wrong rank or dtype, and for numbers that are no symbol.
        """
        if tokens.dim() != 2 or tokens.dtype != torch.int64:
            raise CarouselError(
                f"tokens must be int64 of shape (T, B); got {tokens.dtype} of shape {tuple(tokens.shape)}."
            )
        try:
            if self.embedding is None:
                return F.one_hot(tokens, self.vocabulary_size).to(self.head.weight.dtype)
            vectors = self.embedding(tokens)
        except (IndexError, RuntimeError):
            low, high = int(tokens.min()), int(tokens.max())
            if low >= 0 and high < self.vocabulary_size:
                raise
            raise CarouselError(
                f"tokens must be numbers from 0 to {self.vocabulary_size - 1}; got {low} to {high}."
            ) from None
        return vectors * vectors.shape[-1] ** 0.5 if self.options["tie"] else vectors

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits for the symbol after each token.

        tokens: (T, B) int64. state: as returned before, to go on from there; None: zero. Returns logits (T,
        B, V) and the state after the last step: (L, B, H), for an LSTM a pair (h, c) of these.
        """
        output, state = self.recurrent(self.dropout(self.embed(tokens)), state)
        return self.head(self.dropout(output)), state

    def generate(
        self,
        vocabulary: Vocabulary,
        prompt: str = "",
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Text that follows `prompt`, piece by piece; see `carousel.models.sampling.generate`."""
        return generate(
            self, vocabulary, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
        )

    def save(
        self, path: str | Path, vocabulary: Vocabulary | None = None, about: dict[str, Any] | None = None
    ) -> None:
        """Write weights, options, the vocabulary and plain values `about` the model to one safetensors file.

        Raises CarouselError if the disk refuses; an older file of that name is then still whole.
        """
        tensors = dict(self.state_dict())
        if self.options["tie"]:
            del tensors["head.weight"]
        symbols = None if vocabulary is None else vocabulary.to_json()
        description = {"model": self.options, "vocabulary": symbols, "about": about or {}}
        save_tensors(path, KIND, tensors, description)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that `save` wrote, ready to use (in eval mode).

        Raises CarouselError for a missing, truncated, damaged or foreign file.
        """
        return cls.load_with_vocabulary(path)[0]

    @classmethod
    def load_with_vocabulary(cls, path: str | Path) -> tuple[Self, Vocabulary | None]:
        """The model and the vocabulary that were saved together; None if it was saved without one."""
        tensors, description = load_tensors(path, KIND)
        try:
            with torch.random.fork_rng(devices=[]):  # first weights are drawn, only to be replaced
                model = cls(**description["model"])
            if model.options["tie"]:
                tensors["head.weight"] = tensors["embedding.weight"]
            model.load_state_dict(tensors)
        except (KeyError, TypeError, RuntimeError, CarouselError) as error:
            raise CarouselError(f"{path} does not hold the weights its options ask for: {error}") from None
        symbols = description.get("vocabulary")
        return model.eval(), None if symbols is None else vocabulary_from_json(symbols)


def _check(
    vocabulary_size: int,
    cell: str,
    hidden: int,
    layers: int,
    embedding: int | None,
    one_hot: bool,
    tie: bool,
    dropout: float,
) -> None:
    sizes = {"vocabulary_size": vocabulary_size, "hidden": hidden, "layers": layers}
    for name, size in (sizes if embedding is None else {**sizes, "embedding": embedding}).items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise CarouselError(f"{name} must be a whole number of at least 1; got {size!r}.")
    if cell not in CELLS:
        raise CarouselError(f"cell must be one of {', '.join(CELLS)}; got {cell!r}.")
    if not 0 <= dropout < 1:
        raise CarouselError(f"dropout must be at least 0 and below 1; got {dropout}.")
    if one_hot and (tie or embedding is not None):
        raise CarouselError("one_hot has no vectors of symbols; leave tie and embedding out.")
    if tie and embedding not in (None, hidden):
        raise CarouselError(
            f"tie needs embedding equal to hidden; got embedding={embedding} and hidden={hidden}."
        )
