"""Two diagnoses of the same layers side by side: what a treatment, or more training, has changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carousel.diagnosis.verdicts.findings import Finding, figure
from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.diagnosis.result import Diagnosis


@dataclass(frozen=True)
class Change:
    """One number of one layer before and after."""

    layer: str
    what: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.layer}: {self.what} {figure(self.before)} -> {figure(self.after)}"


@dataclass(frozen=True)
class Comparison:
    """What is different.

    Attributes:
        cured: findings, warnings or worse, that are gone; new: those that came; left: those that stayed.
        changes: every number of every layer that is in both.
    """

    cured: tuple[Finding, ...]
    new: tuple[Finding, ...]
    left: tuple[Finding, ...]
    changes: tuple[Change, ...]

    @property
    def is_better(self) -> bool:
        """Something was cured and nothing new came."""
        return bool(self.cured) and not self.new

    def __str__(self) -> str:
        lines = []
        for word, findings in (("cured", self.cured), ("new", self.new), ("still there", self.left)):
            lines += [f"{word}: {finding.name} ({', '.join(finding.layers)})" for finding in findings]
        lines = lines or ["no trouble before, no trouble after"]
        moved = [change for change in self.changes if not _same(change.before, change.after)]
        return "\n".join([*lines, *(f"  {change}" for change in moved)])


def compare(before: Diagnosis, after: Diagnosis) -> Comparison:
    """What changed from one diagnosis to another.

    Raises CarouselError if they have no layer in common.
    """
    names = [layer.layer for layer in before.layers]
    later = {layer.layer: layer for layer in after.layers}
    if not set(names) & set(later):
        raise CarouselError(
            f"These are diagnoses of different models: one has {', '.join(names)}, the other {', '.join(later)}."
        )
    old = {finding.name: finding for finding in before.troubles}
    now = {finding.name: finding for finding in after.troubles}
    changes = [
        Change(first.layer, what, value, later[first.layer].numbers[what])
        for first in before.layers
        if first.layer in later
        for what, value in first.numbers.items()
    ]
    return Comparison(
        tuple(finding for name, finding in old.items() if name not in now),
        tuple(finding for name, finding in now.items() if name not in old),
        tuple(finding for name, finding in now.items() if name in old),
        tuple(changes),
    )


def _same(before: float, after: float) -> bool:
    return before == after or (math.isnan(before) and math.isnan(after))
