"""An experiment of the lab: a claim of the lecture, and the time that its measurement may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

if TYPE_CHECKING:  # the list of experiments is printed without loading what they need
    from carousel.progress import Observer
from carousel.report.lab import Findings

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

    def run(self, budget: Budget, on_progress: Observer) -> Findings:
        """Measure, then write the findings; the two modules are imported only here, since they need torch."""
        measure, page = (import_module(f"{_room(self.name)}.{module}") for module in ("measure", "page"))
        return cast("Findings", page.findings(measure.measure(budget, on_progress)))


def _room(name: str) -> str:
    return f"carousel.lab.{name.replace('-', '_')}"
