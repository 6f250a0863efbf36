"""An experiment of the lab: a claim of the lecture, and the time that its measurement may take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

Value = TypeVar("Value")


class Budget(StrEnum):
    """How long all experiments together may take: some minutes, about 15 minutes on an idle machine, or hours."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"

    def choose(self, quick: Value, usual: Value, full: Value | None = None) -> Value:
        """The value for this budget; `full` is `usual` where more time gains nothing."""
        if self is Budget.QUICK:
            return quick
        return full if self is Budget.FULL and full is not None else usual


@dataclass(frozen=True)
class Experiment:
    """A claim of the lecture, its chapter there, and the room of this package that measures it."""

    name: str
    title: str
    chapter: str
    claim: str


def numbers(found: Any) -> Any:
    """Measurements as numbers.json keeps them: the fields of dataclasses by their names, and null for infinity.

    Fields with `repr=False` are left out: they hold layers, or what is only drawn.
    """
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, int | str):
        return found
    if isinstance(found, Mapping):
        return {_name(key): numbers(value) for key, value in found.items()}
    if isinstance(found, Sequence):
        return [numbers(each) for each in found]
    return {each.name: numbers(getattr(found, each.name)) for each in fields(found) if each.repr}


def _name(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
