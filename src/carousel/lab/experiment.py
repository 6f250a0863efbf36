"""An experiment of the lab: a claim of the lecture, and the time that its measurement may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

Value = TypeVar("Value")


class Budget(StrEnum):
    """How long all experiments together may take: some minutes, about 30 minutes, or hours."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"

    def choose(self, quick: Value, usual: Value, full: Value | None = None) -> Value:
        """The value for this budget; `full` is `usual` where more time gains nothing."""
        if self is Budget.QUICK:
            return quick
        return full if self is Budget.FULL and full is not None else usual


Numbers: TypeAlias = dict[str, float | Sequence[float]]  # as numbers.json keeps them, by a name with a unit


@dataclass(frozen=True)
class Experiment:
    """A claim of the lecture, its chapter there, and the room of this package that measures it."""

    name: str
    title: str
    chapter: str
    claim: str
