"""Curves and sliders, made from values by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carousel.report.charts import Chart, Line, Scatter
from carousel.report.lab import Slider


def curves(x: Sequence[float], values: Mapping[str, Sequence[float]], dots: bool = False) -> list[Line]:
    """A curve over the same x for each name, in the colours of the page and in their order."""
    return [Line(name, x, y, f"s{k}", dots) for k, (name, y) in enumerate(values.items(), start=1)]


def slider(
    name: str, drawings: Mapping[str, Chart] | Mapping[str, Scatter], caption: str, start: str = ""
) -> Slider:
    """A slider over drawings by their label; it starts at the label `start`, or at the first."""
    labels = list(drawings)
    return Slider(name, labels, list(drawings.values()), caption, labels.index(start) if start else 0)
