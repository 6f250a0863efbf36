"""A row of the metrics of a run on text."""

from dataclasses import dataclass
from typing import Any, Self

from carousel.training.language.score import Score
from carousel.training.run.metrics import CsvRow


@dataclass(frozen=True)
class Row(CsvRow):
    """A row of a language model; the figures of train are means over the steps since the last row."""

    train_bits_per_character: float
    train_perplexity: float
    gradient_norm: float  # before clipping
    tokens_per_second: float
    valid_bits_per_character: float | None = None  # where the valid files were scored
    valid_perplexity: float | None = None

    @classmethod
    def of(
        cls, train: Score, valid: Score | None, *, gradient_norm: float, speed: float, **when: Any
    ) -> Self:
        return cls(
            **when,
            train_bits_per_character=train.bits_per_character,
            train_perplexity=train.perplexity,
            gradient_norm=gradient_norm,
            tokens_per_second=speed,
            valid_bits_per_character=valid.bits_per_character if valid else None,
            valid_perplexity=valid.perplexity if valid else None,
        )
