"""How the gradient fares from layer to layer of the whole model: one bar for each, on a logarithmic scale."""

from __future__ import annotations

import math

import numpy as np

from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.text import on_layers
from carousel.report.diagnosis.figures import Figure, bars, sentence
from carousel.report.words import power, superscript

_MOST = 24  # bars; of deeper models some, evenly


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
        f"over its numbers, on a logarithmic scale. {sentence(on_layers(flow))}"
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
