"""What differs from task to task on sequences: the targets, the loss and the score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from carousel.data.sequences import Encoding, Example, Sequences, Span
from carousel.models.sequences.model import SequenceModel
from carousel.training.sequences.windows import Window


@dataclass(frozen=True, eq=False)
class Track:
    """A held-out stretch of a series and its forecasts, made `ahead` steps before each value; each array (T,)."""

    name: str
    ahead: int
    came: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Objective(ABC):
    """What a run learns from its sequences."""

    lead = 0  # steps that are read before those that count

    def __init__(
        self,
        sequences: Sequences,
        head: Any,
        encoded: list[np.ndarray],
        *,
        labels: list[Any],
        encoding: Encoding,
        train: list[Span],
    ) -> None:
        """Raises CarouselError for sequences that cannot be learned from; `train` are the spans to learn from."""
        self.head, self.labels, self.encoding, self._encoded = head, labels, encoding, encoded
        self._prepare(sequences, train)

    @abstractmethod
    def _prepare(self, sequences: Sequences, train: list[Span]) -> None:
        """Make the targets of `sequences`."""

    @abstractmethod
    def batch(self, windows: list[Window]) -> tuple[Tensor, ...]:
        """The tensors of windows: x (T, B, I), lengths (B,), targets and weights."""

    @abstractmethod
    def loss(self, model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
        """The loss of such tensors, as the loop calls it; no state is carried."""

    @abstractmethod
    def score(self, model: SequenceModel, spans: list[Span]) -> Any:
        """The score on these spans; the model also reads what stands before a span in its sequence."""

    @abstractmethod
    def check(self, spans: list[Span], part: str) -> None:
        """Raise CarouselError if these spans hold nothing by which a model can be scored."""

    @abstractmethod
    def is_guess(self, score: Any) -> bool:
        """Whether a score may be no better than that of a guess."""

    @abstractmethod
    def baseline(self, train: list[Span], spans: list[Span]) -> tuple[str, float]:
        """The name of a simple model, and its error on `spans`."""

    def calibrate(self, model: SequenceModel, spans: list[Span]) -> bool:
        """Adjust a trained model to these spans; returns whether it has changed."""
        return False

    def tracks(self, model: SequenceModel, span: Span) -> list[Track]:
        """Forecasts over a span, for a plot."""
        return []

    @staticmethod
    @abstractmethod
    def final_words(head: Any) -> str:
        """How reports describe `final_loss`."""

    @staticmethod
    @abstractmethod
    def final_loss(output: Tensor, targets: Tensor) -> Tensor:
        """The sum of the losses of one output for each sequence."""

    @staticmethod
    @abstractmethod
    def final_target(model: SequenceModel, item: Example, stop: int) -> tuple[int, Tensor]:
        """The step up to which a sequence is read, at most `stop`, and its target there."""

    @staticmethod
    @abstractmethod
    def known(targets: Tensor) -> Tensor:
        """Which of these targets are known."""
