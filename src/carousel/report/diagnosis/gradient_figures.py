"""How the gradient goes back: by lag through time, and from layer to layer of the whole model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.measures.end_to_end import EndToEnd
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.text import on_layers
from carousel.report.charts.line import Chart, Line, svg
from carousel.report.diagnosis.figures import STYLES, Figure, bars, finite
from carousel.report.number_format import power, superscript

_TEN = math.log(10)
_ROOM = 3  # powers of ten that a bound may take above the measured curves; higher it leaves the picture
_MOST = 24  # bars; of deeper models some, evenly


def gradient_figure(flow: GradientByLag) -> Figure:
    """Worst, typical, actual and the bound, as powers of ten by lag."""
    worst, typical, bound = (flow.median(name) / _TEN for name in ("log_worst", "log_typical", "log_bound"))
    actual = flow.median("log_total") / _TEN
    actual = actual - actual[0] if np.isfinite(actual[0]) else np.full_like(actual, np.nan)
    curves = {"worst": (worst, "s1"), "typical": (typical, "s2"), "actual": (actual, "s3")}
    drawn = {
        name: (values, style) for name, (values, style) in curves.items() if np.isfinite(values[1:]).any()
    }
    low, high = _range([values for values, _ in drawn.values()])
    lags = flow.lags.tolist()
    lines = [Line(name, *finite(lags, values), style) for name, (values, style) in drawn.items()]
    inside = np.where(bound <= high + _ROOM, bound, np.nan)
    if np.isfinite(inside).sum() < len(lags) / 10:  # a stub at the left edge says less than the caption
        inside[:] = np.nan
    if np.isfinite(inside[1:]).any():
        lines.append(Line("bound", *finite(lags, inside), "s6 dashed"))
        high = max(high, float(np.nanmax(inside)))
    chart = Chart(
        f"Gradient by lag, {flow.layer}",
        "How much of the gradient is left by the number of steps back",
        "steps back",
        "what is left of it",
        lines,
        levels=[("unchanged", 0.0), ("1 %", -2.0)],
        y_range=(low - 0.3, high + 0.3),
        powers=True,
    )
    caption = (
        "Worst: the direction that grows most. Typical: the mean over all directions. Actual: the gradient of the "
        "loss, against its size at the last step. Straight lines are exponential. "
        + (
            "The bound lies above the picture. "
            if not np.isfinite(inside[1:]).any() and np.isfinite(bound[1:]).any()
            else ""
        )
        + f"Method: {flow.method}."
    )
    shown = [k for k in (1, 2, 5, 10, 20, 50, 100, 200) if k < len(lags)]
    parts = {name: flow.median(name) / _TEN for name in flow.log_actual if len(flow.log_actual) > 1}
    columns = (worst, typical, actual, bound, *parts.values())
    rows = [(str(k), [float(values[k]) for values in columns]) for k in shown]
    return Figure(
        "How the gradient goes back in time",
        svg(chart),
        caption,
        ("steps back", *(f"{name}, log10" for name in ("worst", "typical", "actual", "bound", *parts))),
        rows,
    )


def _range(curves: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves]) if curves else np.zeros(1)
    return min(-2.0, float(values.min())), max(0.0, float(values.max()))


def end_to_end_figure(found: EndToEnd | None) -> Figure | None:
    """How strongly an output depends on the inputs of each module, by step; None where that was not measured."""
    curves = {} if found is None else {path: _mean(logs) for path, logs in found.log_norms.items()}
    curves = {path: values for path, values in curves.items() if np.isfinite(values).any()}
    if found is None or not curves:
        return None
    low, high = _range(list(curves.values()))
    lines = [
        Line(path or "model", *finite(range(1, len(values) + 1), values), style)
        for (path, values), style in zip(curves.items(), cycle(STYLES))
    ]
    chart = Chart(
        "End to end",
        f"How strongly {found.output} of the output depends on the inputs of each module, by step",
        "step of the input",
        "relative to the strongest",
        lines,
        levels=[("1 %", -2.0)],
        y_range=(low - 0.3, high + 0.3),
        powers=True,
    )
    caption = (
        f"The gradient that {found.output} of the output sends through the whole model to the inputs of each recurrent "
        f"module, relative to its strongest step: the mean over sequences, of {found.directions} random directions."
    )
    return Figure("What the output sees", svg(chart), caption)


def _mean(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Powers of ten by step, (T,): the mean of the logarithms over sequences, relative to the strongest step."""
    known = np.where(np.isfinite(logs), logs, np.nan)
    counts = np.isfinite(known).sum(axis=1)
    means = np.where(counts > 0, np.nansum(known, axis=1) / np.maximum(counts, 1), np.nan) / _TEN
    return np.asarray(means - np.nanmax(means)) if counts.any() else means


def depth_figure(flow: GradientByLayer | None) -> Figure | None:
    """None of a model with fewer than two layers."""
    if flow is None or len(flow.names) < 2:
        return None
    logs = flow.log_typical / math.log(10)
    finite = logs[np.isfinite(logs)]
    if not finite.size:
        return None
    low, high = (
        float(finite.min()) - 1,
        float(finite.max()),
    )  # of the smallest a tenth of a decade is to be seen
    chosen = np.unique(np.linspace(0, len(logs) - 1, _MOST).round().astype(int))
    rows = {
        f"{flow.names[k]} ({flow.kinds[k]})": (
            max(0.0, float(logs[k] - low) / (high - low)),
            _written(float(logs[k])),
        )
        for k in chosen
    }
    return Figure(
        "From layer to layer",
        bars(rows),
        "The gradient of the loss in the output of each layer, in the order in which they run: the root mean square "
        f"over its numbers, on a logarithmic scale. {on_layers(flow)} "
        + (f"{len(chosen)} of {len(logs)} layers are drawn. " if len(chosen) < len(logs) else ""),
        ("layer", "output, log10", "parameters, log10"),
        [
            (name, [float(one), float(two) / math.log(10)])
            for name, one, two in zip(flow.names, logs, flow.log_parameters, strict=True)
        ],
    )


def _written(log: float) -> str:
    """10 ** log, also where no number holds it."""
    return power(10**log) if log > -300 else "0" if np.isneginf(log) else f"10{superscript(round(log))}"
