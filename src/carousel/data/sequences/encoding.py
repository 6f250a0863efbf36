"""Scaling and one-hot encoding: from raw values to what a network reads, by measurements on the train part alone.

Numbers get mean 0 and deviation 1. A missing number takes the last value before it (at the start the mean). A column
that has gaps in the train part gets a second column that marks the gaps (Lipton, Kale & Wetzel 2016), since a gap may
itself mean something. Symbols become one-hot vectors; the first place is for symbols that the train part lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from carousel.data.sequences.examples import Example, Sequences
from carousel.data.sequences.splitting import Span
from carousel.errors import CarouselError

MOST_VALUES = 1000  # of a column of symbols; a column with more values holds names or numbers


@dataclass(frozen=True)
class Number:
    """A column of numbers: (x - mean) / deviation, of log x if `log`."""

    name: str
    mean: float
    deviation: float
    gaps: bool
    log: bool = False

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise CarouselError(f"the deviation of {self.name!r} must be above 0; got {self.deviation}.")

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Values as the network reads them, in any shape; NaN stays."""
        return ((np.log(values) if self.log else values) - self.mean) / self.deviation

    def back(self, values: np.ndarray) -> np.ndarray:
        """The inverse of `scale`."""
        raw = values * self.deviation + self.mean
        return np.exp(raw) if self.log else raw


@dataclass(frozen=True)
class Encoding:
    """The columns of numbers, and the values of each column of symbols."""

    numbers: tuple[Number, ...]
    symbols: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def fit(cls, sequences: Sequences, train: Iterable[Span], log: bool = False) -> Self:
        """Measure the spans of the train part; with `log`, the logarithms of the targets are learned.

        Raises CarouselError for a column without any value, or of too many symbols, and for logarithms of values
        that are not above 0.
        """
        spans = list(train)
        numbers = [
            _number(sequences, spans, k, log and k < sequences.targets) for k in range(len(sequences.numbers))
        ]
        symbols = [(name, _values(sequences, spans, k, name)) for k, name in enumerate(sequences.symbols)]
        return cls(tuple(numbers), tuple(symbols))

    @property
    def width(self) -> int:
        """I, the number of values that the network reads at each step."""
        return (
            len(self.numbers)
            + sum(each.gaps for each in self.numbers)
            + sum(1 + len(values) for _, values in self.symbols)
        )

    def scaled(self, item: Example) -> np.ndarray:
        """The numbers of a sequence, (T, N), scaled, still with their gaps."""
        self.check(item)
        columns = [each.scale(item.numbers[:, k]) for k, each in enumerate(self.numbers)]
        return np.stack(columns, axis=1) if columns else np.empty((len(item), 0))

    def encode(self, item: Example) -> np.ndarray:
        """(T, I) float32 without gaps: numbers, then marks of gaps, then symbols."""
        values = self.scaled(item)
        gaps = [k for k, each in enumerate(self.numbers) if each.gaps]
        parts = [filled(values), np.isnan(values[:, gaps])]
        parts += [_one_hot(item.symbols[:, k].tolist(), values) for k, (_, values) in enumerate(self.symbols)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def check(self, item: Example) -> None:
        """Raise CarouselError unless a sequence has these columns, and positive values where logarithms are learned."""
        if item.numbers.shape[1] != len(self.numbers) or item.symbols.shape[1] != len(self.symbols):
            raise CarouselError(
                f"a sequence must have {len(self.numbers)} columns of numbers and {len(self.symbols)} of symbols; "
                f"{item.name!r} has {item.numbers.shape[1]} and {item.symbols.shape[1]}."
            )
        for k, each in enumerate(self.numbers):
            if each.log and (item.numbers[:, k] <= 0).any():
                raise _not_positive(each.name, float(np.nanmin(item.numbers[:, k])))


def filled(values: np.ndarray) -> np.ndarray:
    """(T, N) with each gap filled with the last value before it; without one with 0, the mean."""
    last = np.where(np.isnan(values), -1, np.arange(len(values))[:, None])
    last = np.maximum.accumulate(last, axis=0)
    return np.where(last < 0, 0.0, np.take_along_axis(values, np.maximum(last, 0), axis=0))


def _number(sequences: Sequences, spans: list[Span], k: int, log: bool) -> Number:
    name = sequences.numbers[k]
    values = np.concatenate(
        [sequences.items[span.sequence].numbers[span.first : span.stop, k] for span in spans]
    )
    known = values[~np.isnan(values)]
    if not known.size:
        raise CarouselError(
            f"the column {name!r} of {sequences.source} must have a value in the train part; it has none. Leave it out."
        )
    if log and known.min() <= 0:
        raise _not_positive(name, float(known.min()))
    known = np.log(known) if log else known
    deviation = float(known.std())
    return Number(
        name, float(known.mean()), deviation if deviation > 0 else 1.0, bool(len(known) < len(values)), log
    )


def _not_positive(name: str, least: float) -> CarouselError:
    return CarouselError(
        f"log needs values above 0; the least of the column {name!r} is {least:g}. Leave log out."
    )


def _values(sequences: Sequences, spans: list[Span], k: int, name: str) -> tuple[str, ...]:
    found: set[str] = set()
    for span in spans:
        found.update(sequences.items[span.sequence].symbols[span.first : span.stop, k].tolist())
    if len(found) > MOST_VALUES:
        raise CarouselError(
            f"a column of symbols must have at most {MOST_VALUES:,} values; {name!r} has {len(found):,}. Leave it out."
        )
    return tuple(sorted(found))


def _one_hot(marks: Sequence[str], values: tuple[str, ...]) -> np.ndarray:
    place = {value: k for k, value in enumerate(values, 1)}
    rows = np.zeros((len(marks), 1 + len(values)))
    rows[np.arange(len(marks)), [place.get(mark, 0) for mark in marks]] = 1
    return rows
