"""Charts of values by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carousel.report.charts import Chart, Line


def curves(x: Sequence[float], values: Mapping[str, Sequence[float]], dots: bool = False) -> list[Line]:
    """A curve over the same x for each name, in the colours of the page and in their order."""
    return [Line(name, x, y, f"s{k}", dots) for k, (name, y) in enumerate(values.items(), start=1)]


def chart(
    title: str,
    axes: tuple[str, str],
    x: Sequence[float],
    values: Mapping[str, Sequence[float]],
    dots: bool = False,
    **options: Any,
) -> Chart:
    """A chart of such curves; `axes` are the words of x and y, `options` are those of `Chart`."""
    return Chart(title, f"{axes[1]} by {axes[0]}", *axes, curves(x, values, dots), **options)
