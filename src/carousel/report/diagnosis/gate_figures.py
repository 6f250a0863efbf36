"""How a layer's gates and activations stand: how much is saturated, and how gates move over the first sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carousel.diagnosis.measures.gates import GateSeries
from carousel.diagnosis.measures.saturation import Saturation
from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.diagnosis.figures import STYLES, Figure, bars
from carousel.report.number_format import percent


def saturation_figure(found: Saturation) -> Figure:
    """A bar for each gate: the share of units and steps on which it is saturated."""
    shares = {name: each.share for name, each in found.activations.items()}
    return Figure(
        "Saturated activations",
        bars({name: (share, percent(share)) for name, share in shares.items()}),
        "Share of units and steps on which the slope of the activation is below 1 % of its steepest (of a ReLU: "
        "zero, which half of the time is nothing unusual).",
        ("activation", "share", "always saturated units", "below 0.1", "above 0.9"),
        [
            (name, [each.share, float(each.always.sum()), float(each.low.mean()), float(each.high.mean())])
            for name, each in found.activations.items()
        ],
    )


def gate_figures(series: GateSeries, saturation: Saturation, states: Sequence[str]) -> list[Figure]:
    """The gates (what a sigmoid makes) over time; none of a cell without gates."""
    kinds = {name: each.kind for name, each in saturation.activations.items()}
    gates = [name for name in series.values if kinds.get(name) == "sigmoid" and name not in states]
    if not gates:
        return []
    length = int(series.lengths[0])
    steps = list(range(1, length + 1))
    lines, rows = [], []
    for name, style in zip(gates, STYLES, strict=False):
        mean = series.mean(name)[:length, 0].tolist()
        lines.append(Line(name, *thin(steps, mean), style))
        low, middle, high = np.quantile(series.values[name][:length, 0], (0.1, 0.5, 0.9))
        rows.append((name, [float(np.mean(mean)), float(low), float(middle), float(high)]))
    chart = Chart(
        f"Gates over time, {series.layer}",
        "Mean over the units of each gate, at every step of the first sequence",
        "step",
        "mean",
        lines,
        y_range=(0.0, 1.0),
        height=240,
    )
    return [
        Figure(
            "Gates over time",
            svg(chart),
            "Mean over the units at each step of the first sequence; 1 is open, 0 is shut.",
            ("gate", "mean", "10 %", "median", "90 %"),
            rows,
        )
    ]
