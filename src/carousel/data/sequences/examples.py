"""Sequences before scaling: numbers with gaps, symbols, and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Example:
    """One sequence of T steps."""

    numbers: np.ndarray  # (T, N) float64, NaN for a missing value
    symbols: np.ndarray  # (T, S) of str, one of a few values each
    # text or a number for the whole sequence, or a list of T for its steps; None is an unknown label
    label: Any = None
    weights: Any = None  # w_t (T,), or one number for the whole sequence
    name: str = ""  # in errors and predictions

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Sequences:
    """Sequences with the same columns; a forecast predicts the first `targets` columns of numbers."""

    items: list[Example]
    numbers: tuple[str, ...]
    symbols: tuple[str, ...] = ()
    targets: int = 0
    source: str = field(default="the data")
    time: str | None = None  # the column of the time, if one is known

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> list[Any]:
        """All labels, sorted: numbers by size, text by letters."""
        found = {label for item in self.items for label in labels_of(item) if label is not None}
        return sorted(found, key=_by_size)

    @property
    def fingerprint(self) -> str:
        """A hash of all sequences: equal only for the same sequences in the same order."""
        digest = blake2b(digest_size=16)
        digest.update(repr((self.numbers, self.symbols, self.targets, len(self.items))).encode())
        for item in self.items:
            digest.update(np.int64(len(item)).tobytes())
            digest.update(np.ascontiguousarray(item.numbers, dtype="<f8").tobytes())
            weights = None if item.weights is None else np.asarray(item.weights, dtype="<f8").tolist()
            digest.update(repr((item.symbols.tolist(), item.label, weights)).encode())
        return digest.hexdigest()


def labels_of(item: Example) -> Sequence[Any]:
    """The labels of a sequence: one, or one for each step."""
    return item.label if isinstance(item.label, list) else [item.label]


def _by_size(label: Any) -> tuple[int, float, str]:
    try:
        return 0, float(label), str(label)
    except ValueError:
        return 1, 0.0, label
