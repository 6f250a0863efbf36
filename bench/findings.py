"""One figure of a run beside the target it was given, if it was given one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finding:
    """What was measured: `value` in `unit`; good is at most the target, or at least where `at_least`.

    limit: the best value that the machine allows, by the arithmetic that `why` tells from figures of the same run.
    """

    section: str
    what: str
    value: float
    unit: str = "x"
    target: float | None = None
    at_least: bool = False
    limit: float | None = None
    why: str = ""

    @property
    def holds(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def is_forbidden(self) -> bool:
        """Would even the limit fall short of the target?"""
        return self.limit is not None and replace(self, value=self.limit).holds is False

    def row(self) -> list[str]:
        """section, what, measured, target, verdict, and the limit where a target is missed."""
        bound = (
            ""
            if self.target is None
            else f"{'≥' if self.at_least else '≤'} {_number(self.target, self.unit)}"
        )
        verdict = {True: "holds", False: "falls short", None: ""}[self.holds]
        return [self.section, self.what, _number(self.value, self.unit), bound, verdict, self._limit()]

    def _limit(self) -> str:
        if self.limit is None or self.holds is not False:
            return ""
        bound = f"{self.why}: at {'most' if self.at_least else 'least'} {_number(self.limit, self.unit)}"
        return f"{bound}, so out of reach" if self.is_forbidden else bound


COLUMNS = ["section", "what", "measured", "target", "verdict", "the machine allows"]


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.0%}"
    return (
        f"{value:.2g} {unit}"
        if unit == "of its length"
        else f"{value:.3g}{'x' if unit == 'x' else ' ' + unit}"
    )


def times_of(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """How many times as long `slow` takes as `fast`: the ratio of the medians."""
    return statistics.median(seconds[slow]) / statistics.median(seconds[fast])
