"""What every language model has: vectors of symbols, scores for all of them, text, and a file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.data.vocabularies import vocabulary_from_json
from carousel.errors import CarouselError
from carousel.models.cells import MODELS, check_ends, check_options
from carousel.models.generation import TextModel
from carousel.models.recurrent import drop_around
from carousel.models.tensors import distinct, fitting, load_tensors, restored, save_tensors, weights_in
from carousel.nn.regularisers import kept
from carousel.plain import arguments_in, described

State = Tensor | tuple[Tensor, ...]
KIND = "language model"


@dataclass(frozen=True)
class _Description:
    """What the description in a file of weights must hold."""

    model: dict[str, Any]
    vocabulary: dict[str, Any] | None = None
    architecture: str = MODELS[0]


class Predictor(TextModel, ABC):
    """A model that reads symbols and scores, at each step, every symbol that may come next.

    A subclass computes what the output layer reads (`features`). Its `options` are the keyword arguments that make it
    again. The state is a tensor or a tuple of tensors with the batch as second dimension; it holds all that a model
    knows of the past.
    """

    architecture: ClassVar[str]  # its name in `MODELS`
    widest_embedding: ClassVar[int]  # of the symbols' vectors, where no size is given
    embedding: nn.Embedding | None
    head: nn.Linear

    def __init__(self, given: Mapping[str, Any]) -> None:
        """`given`: the arguments of the subclass, its `locals()`."""
        super().__init__()
        options = arguments_in(type(self).__init__, given)
        check_options(options)
        check_ends(options)
        if options["embedding"] is None and not options["one_hot"]:
            hidden_size: int = options["hidden_size"]
            options["embedding"] = hidden_size if options["tie"] else min(hidden_size, self.widest_embedding)
        self.options = options
        size = self.embedding_size
        self.embedding = None if size is None else nn.Embedding(options["vocabulary_size"], size)

    @abstractmethod
    def features(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What the output layer reads, (T, B, F), and the next state; `tokens` and `state` are as in `forward`."""

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits for the symbol after each token.

        tokens: (T, B) int64. state: as an earlier call returned it; None: the start of a text.
        Returns logits (T, B, V) and the state after the last step.
        """
        features, state = self.features(tokens, state)
        return self.head(features), state

    @property
    def vocabulary_size(self) -> int:
        """V, the number of symbols."""
        return self.head.out_features

    @property
    def embedding_size(self) -> int | None:
        """E, the size of the symbols' vectors; None for one-hot symbols."""
        size: int | None = self.options["embedding"]
        return size

    def embed(self, tokens: Tensor) -> Tensor:
        """The vectors of symbols: tokens (T, B) int64 -> (T, B, E), or (T, B, V) for one-hot.

        Raises CarouselError for a wrong rank or dtype, and for numbers that no symbol has.
        """
        self.check_shape(tokens)
        with self.known(tokens):
            if self.embedding is None:
                return F.one_hot(tokens, self.vocabulary_size).to(self.head.weight.dtype)
            vectors = self.embedding(tokens)
        if self.training and (share := self.options["embedding_dropout"]):
            # whole words, the same ones at every step (Gal & Ghahramani 2016)
            vectors = vectors * kept((self.vocabulary_size, 1), share, vectors)[tokens]
        return vectors * vectors.shape[-1] ** 0.5 if self.options["tie"] else vectors

    def check_shape(self, tokens: Tensor) -> None:
        """Raise CarouselError unless tokens are (T, B) int64."""
        if tokens.dim() != 2 or tokens.dtype != torch.int64:
            raise CarouselError(
                f"tokens must be int64 of shape (T, B); got {tokens.dtype} of shape {tuple(tokens.shape)}."
            )

    @contextmanager
    def known(self, tokens: Tensor) -> Iterator[None]:
        """A context in which a look-up that fails raises CarouselError with the tokens that no symbol has."""
        try:
            yield
        except (IndexError, RuntimeError):
            low, high = int(tokens.min()), int(tokens.max())
            if low >= 0 and high < self.vocabulary_size:
                raise
            raise CarouselError(
                f"tokens must be numbers from 0 to {self.vocabulary_size - 1}; got {low} to {high}."
            ) from None

    def drop(self, values: Tensor) -> Tensor:
        """Dropout on the way into and out of the hidden layers."""
        return drop_around(values, self.options, self.training)

    def save(self, path: str | Path, about: dict[str, Any] | None = None) -> None:
        """Write weights, options, the vocabulary and plain values `about` the model to one safetensors file.

        Raises CarouselError if the file cannot be written; an older file of that name then stays whole.
        """
        symbols = None if self._vocabulary is None else self._vocabulary.to_json()
        description: dict[str, Any] = {"model": self.options, "vocabulary": symbols, "about": about or {}}
        if self.architecture != MODELS[0]:
            description["architecture"] = self.architecture
        save_tensors(path, KIND, distinct(self), description)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that `save` wrote, or the best one of a run's folder, in eval mode, with its vocabulary.

        path: as `save` wrote it, or the folder of a run.

        Raises CarouselError for a missing, truncated, damaged or foreign file, or one of another architecture.

        >>> import tempfile
        >>> from carousel.models import LanguageModel
        >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> LanguageModel(vocabulary_size=9, hidden_size=4).save(path)
        >>> LanguageModel.load(path).vocabulary_size
        9
        """
        path = weights_in(path)
        tensors, about = load_tensors(path, KIND)
        with fitting(path):
            description = described(_Description, about, "its description")
            if description.architecture != cls.architecture:
                raise CarouselError(
                    f"it holds a model of the architecture {description.architecture:.40}, not "
                    f"{cls.architecture}. Load it by carousel.load"
                )
            model = restored(lambda: cls(**description.model), tensors)
            if description.vocabulary is not None:
                model.vocabulary = vocabulary_from_json(description.vocabulary)
        return model.eval()
