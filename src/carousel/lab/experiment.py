"""What an experiment is: a claim of the lecture, a function that measures it, and how much time it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

if TYPE_CHECKING:  # the list of experiments is printed without loading what they need
    from carousel.report.lab import Findings


Value = TypeVar("Value")


class Budget(StrEnum):
    """How long the experiments may take: all of them together some minutes, about 30, or hours."""

    QUICK = "quick"
    USUAL = "usual"
    FULL = "full"

    def choose(self, quick: Value, usual: Value, full: Value | None = None) -> Value:
        """The value for this budget; `full` is `usual` where nothing is gained by more."""
        if self is Budget.QUICK:
            return quick
        return full if self is Budget.FULL and full is not None else usual


Progress = Callable[[float, str], None]  # the share done, from 0 to 1, and what is being done


class _Run(Protocol):
    def __call__(self, budget: Budget, progress: Progress) -> Findings: ...


@dataclass(frozen=True)
class Experiment:
    """One claim of the lecture: its place there, and the file that runs it."""

    name: str
    title: str
    chapter: str
    claim: str

    @property
    def run(self) -> _Run:
        """The function that measures; its module is imported when it is asked for."""
        module = import_module(f"carousel.lab.{self.name.replace('-', '_')}.measure")
        return cast(_Run, module.run)
