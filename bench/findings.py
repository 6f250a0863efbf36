"""One figure of a run beside the target it was given, if it was given one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was measured: `value` in `unit`; good is at most the target, or at least where `at_least`."""

    section: str
    what: str
    value: float
    unit: str = "x"
    target: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def row(self) -> list[str]:
        """section, what, measured, target, verdict."""
        bound = (
            ""
            if self.target is None
            else f"{'≥' if self.at_least else '≤'} {_number(self.target, self.unit)}"
        )
        verdict = {True: "holds", False: "falls short", None: ""}[self.holds]
        return [self.section, self.what, _number(self.value, self.unit), bound, verdict]


COLUMNS = ["of", "what", "measured", "target", "verdict"]


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.0%}"
    return (
        f"{value:.2g} {unit}"
        if unit == "of the length"
        else f"{value:.3g}{'x' if unit == 'x' else ' ' + unit}"
    )


def times_of(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """How many times as long `slow` takes as `fast`: the ratio of the medians."""
    return statistics.median(seconds[slow]) / statistics.median(seconds[fast])
