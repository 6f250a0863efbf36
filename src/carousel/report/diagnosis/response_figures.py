"""How a layer answers to one impulse and, if it is linear, what theory says that it can remember."""

from __future__ import annotations

import numpy as np

from carousel.diagnosis.result import LayerDiagnosis
from carousel.diagnosis.text import on_impulse, on_linear
from carousel.report.charts.line import Chart, Line, svg
from carousel.report.diagnosis.figures import Figure, sentence

_STYLES = ("s1", "s2", "s3", "s4", "s5")


def response_figures(layer: LayerDiagnosis) -> list[Figure]:
    """The impulse response; of a linear layer its Fisher memory, too."""
    return [impulse_figure(layer), *fisher_figures(layer)]


def impulse_figure(layer: LayerDiagnosis) -> Figure:
    """The mean over inputs with the band from the weakest to the strongest, against the largest answer."""
    found = layer.impulse
    top = float(found.norms.mean(axis=1).max()) or 1.0
    steps = list(range(len(found.norms)))
    low, high = found.norms.min(axis=1) / top, found.norms.max(axis=1) / top
    others = {state: found.relative_of(state) for state in found.states if state != "h"}
    states = [
        Line(f"mean of {state}", steps, values.tolist(), style)
        for (state, values), style in zip(others.items(), _STYLES[1:], strict=False)
    ]
    chart = Chart(
        f"Impulse response, {layer.layer}",
        "Change of the output after one impulse in the input, by the number of steps since",
        "steps since the impulse",
        "change",
        [Line("mean", steps, found.relative.tolist(), "s1", band=(low.tolist(), high.tolist())), *states],
        levels=[("5 %", 0.05)],
        y_range=(0.0, 1.05 * max(1.0, float(high.max()))),
        height=240,
    )
    shown = [k for k in (0, 1, 2, 5, 10, 20, 50) if k < len(steps)]
    return Figure(
        "How it answers to an impulse",
        svg(chart),
        f"Of the output{''.join(f' and of {state}' for state in others)}, each against its largest answer; mean "
        f"and range over {len(found.inputs)} of its inputs, those that vary most, "
        f"each struck once by their deviation. {sentence(on_impulse(found))}",
        (
            "steps since",
            "mean",
            "weakest input",
            "strongest input",
            *(f"mean of {state}" for state in others),
        ),
        [
            (str(k), [float(values[k]) for values in (found.relative, low, high, *others.values())])
            for k in shown
        ],
    )


def fisher_figures(layer: LayerDiagnosis) -> list[Figure]:
    """J(k) of each channel that was looked at; nothing of a layer that is not linear, or forgets no noise."""
    found = layer.linear
    if found is None or not found.fisher:
        return []
    end = max(
        10, *(1 + int(np.flatnonzero(each.curve > 1e-3 * each.curve.max())[-1]) for each in found.fisher)
    )
    lines = [
        Line(f"input {channel}", list(range(len(each.curve[:end]))), each.curve[:end].tolist(), style)
        for channel, each, style in zip(found.channels, found.fisher, _STYLES, strict=False)
    ]
    chart = Chart(
        f"Fisher memory, {layer.layer}",
        "What the state still knows of an input, beside noise in every unit",
        "steps back",
        "J(k)",
        lines,
        y_range=(0.0, 1.05 * max(float(np.max(each.curve)) for each in found.fisher)),
        height=240,
    )
    return [
        Figure(
            "What a linear layer can remember",
            svg(chart),
            "Fisher memory J(k) beside noise of variance 1 (Ganguli, Huh and Sompolinsky 2008). "
            f"{sentence(on_linear(found))}",
            ("input", "J in total", "capacity"),
            [
                (str(channel), [each.total, float(capacity)])
                for channel, each, capacity in zip(found.channels, found.fisher, found.capacity, strict=True)
            ],
        )
    ]
