"""Two diagnoses of the same layers side by side: what a remedy, or more training, has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.verdicts.findings import Finding, figure
from carousel.errors import CarouselError
from carousel.shown import Shown

Numbers = Mapping[str, Mapping[str, float]]  # layer -> what is measured -> value


@dataclass(frozen=True)
class Change:
    """One number of one layer before and after."""

    layer: str
    what: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.layer}: {self.what} {figure(self.before)} -> {figure(self.after)}"


@dataclass(frozen=True, repr=False)
class Comparison(Brief, Shown):
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
    def moved(self) -> list[Change]:
        """The changes in which the two numbers differ."""
        return [each for each in self.changes if not np.array_equal(each.before, each.after, equal_nan=True)]

    @property
    def is_better(self) -> bool:
        """Something was cured and nothing new came."""
        return bool(self.cured) and not self.new

    def __str__(self) -> str:
        lines = []
        for word, findings in (("cured", self.cured), ("new", self.new), ("still there", self.left)):
            lines += [f"{word}: {finding.title}" for finding in findings]
        lines = lines or ["no trouble before, no trouble after"]
        return "\n".join([*lines, *(f"  {change}" for change in self.moved)])


def compare(before: Numbers, after: Numbers, old: Sequence[Finding], new: Sequence[Finding]) -> Comparison:
    """What changed: the numbers of each layer before and after, and the troubles before and after.

    Raises CarouselError if there is no layer in both.
    """
    if not before.keys() & after.keys():
        raise CarouselError(
            f"Two diagnoses of the same layers can be compared; these are of different models: one has "
            f"{', '.join(before)}, the other {', '.join(after)}."
        )
    names, now = {finding.name for finding in old}, {finding.name for finding in new}
    return Comparison(
        cured=tuple(finding for finding in old if finding.name not in now),
        new=tuple(finding for finding in new if finding.name not in names),
        left=tuple(finding for finding in new if finding.name in names),
        changes=tuple(
            Change(layer, what, value, after[layer][what])
            for layer, numbers in before.items()
            if layer in after
            for what, value in numbers.items()
        ),
    )
