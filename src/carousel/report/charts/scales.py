"""Scales of a chart: where a value falls on the paper, and which values are worth a tick."""

from __future__ import annotations

import math
from dataclasses import dataclass

from carousel.report.number_format import number, superscript


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [start, end] on the paper, linearly or by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self._warp(self.low), self._warp(self.high)
        share = (self._warp(value) - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def _warp(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, number_of_ticks: int = 5) -> list[tuple[float, str]]:
        """(value, label) at round values inside the range."""
        return self._powers(number_of_ticks) if self.log else self._round(number_of_ticks)

    def _round(self, wanted: int) -> list[tuple[float, str]]:
        span = self.high - self.low
        if span <= 0:
            return [(self.low, number(self.low, 2))]
        raw = span / max(wanted, 1)
        base = 10.0 ** math.floor(math.log10(raw))
        steps = [base * factor for factor in (0.5, 1, 2, 5, 10)]
        k = next(k for k, step in enumerate(steps) if k and step >= raw * 0.999)
        if math.floor(self.high / steps[k] + 1e-9) <= math.ceil(self.low / steps[k] - 1e-9):
            k -= 1  # a single tick is no scale
        step = steps[k]
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(k * step, number(k * step, digits)) for k in range(first, last + 1)]

    def _powers(self, wanted: int) -> list[tuple[float, str]]:
        """At powers of ten; where fewer than two lie inside, at 1, 2 and 5 times them, or else at round values."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        if last - first < 1:
            some = [(f * 10.0**k, k) for k in range(first - 1, last + 2) for f in (1, 2, 5)]
            inside = [(value, k) for value, k in some if self.low <= value <= self.high]
            return [(v, number(v, max(0, -k))) for v, k in inside] if len(inside) > 1 else self._round(wanted)
        stride = max(1, math.ceil((last - first + 1) / max(wanted, 1)))
        return [(10.0**k, power_of_ten(k)) for k in range(last, first - 1, -stride)][::-1]


def power_of_ten(exponent: int) -> str:
    """0.01 to 100 in full, others as 10 with a raised exponent."""
    return {0: "1", 1: "10", -1: "0.1", 2: "100", -2: "0.01"}.get(exponent, f"10{superscript(exponent)}")
