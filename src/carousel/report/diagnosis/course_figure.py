"""How the gates of a layer move over the first sequence: one curve for each, the mean over its units."""

from __future__ import annotations

import numpy as np

from carousel.diagnosis.result import LayerDiagnosis
from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.diagnosis.figures import Figure

_STYLES = ("s1", "s2", "s3", "s4", "s5")


def course_figures(layer: LayerDiagnosis) -> list[Figure]:
    """The gates (what a sigmoid makes) over time ; none of a cell without gates."""
    kinds = {name: each.kind for name, each in layer.saturation.activations.items()}
    gates = [
        name for name in layer.course.values if kinds.get(name) == "sigmoid" and name not in layer.states
    ]
    if not gates:
        return []
    length = int(layer.course.lengths[0])
    steps = list(range(1, length + 1))
    lines, rows = [], []
    for name, style in zip(gates, _STYLES, strict=False):
        mean = layer.course.mean(name)[:length, 0].tolist()
        lines.append(Line(name, *thin(steps, mean), style))
        low, middle, high = np.quantile(layer.course.values[name][:length, 0], (0.1, 0.5, 0.9))
        rows.append((name, [float(np.mean(mean)), float(low), float(middle), float(high)]))
    chart = Chart(
        f"Gates over time, {layer.layer}",
        "Mean over the units of each gate, at every step of the first sequence",
        "step",
        "how open",
        lines,
        y_range=(0.0, 1.0),
        height=240,
    )
    return [
        Figure(
            "How its gates move",
            svg(chart),
            "Mean over the units at each step of the first sequence; 1 is open, 0 is shut.",
            ("gate", "mean", "10 %", "median", "90 %"),
            rows,
        )
    ]
