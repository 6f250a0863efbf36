"""How far a layer remembers: by every measure, by its gates, after an impulse, and what theory says of a linear one."""

from __future__ import annotations

import numpy as np

from carousel.diagnosis.measures.impulse_response import ImpulseResponse
from carousel.diagnosis.measures.linear_memory import LinearMemory
from carousel.diagnosis.measures.memory import Memory
from carousel.diagnosis.text import on_impulse, on_linear
from carousel.report.charts.line import Chart, Line, svg
from carousel.report.diagnosis.figures import STYLES, Figure, bars
from carousel.report.number_format import number


def memory_figure(found: Memory) -> Figure:
    """A bar for each definition of memory, in steps."""
    steps = {name: each.steps for name, each in found.estimates.items() if np.isfinite(each.steps)}
    longest = max([1.0, *steps.values()])
    beyond = {name: " or more" if found.estimates[name].censored else "" for name in steps}
    return Figure(
        "How far it remembers",
        bars({n: (value / longest, f"{_steps(value)}{beyond[n]}") for n, value in steps.items()}),
        "".join(f"{name.capitalize()}: {each.meaning}. " for name, each in found.estimates.items())
        + f"Measured over {found.window} steps."
        + (" The gradient grows all the way back: that is no memory." if found.grows else ""),
        ("by", "steps", "from", "to"),
        [(name, [each.steps, each.low, each.high]) for name, each in found.estimates.items()],
    )


def _steps(value: float) -> str:
    """Few steps with a decimal: between 1 and 2 there is a factor of two."""
    words = number(value, 1 if value < 9.95 else 0)
    return f"{words} step{'' if words == '1.0' else 's'}"


def times_figure(found: Memory) -> Figure:
    """The units of each gated state in the order of the time that their gate alone gives them."""
    lines, rows = [], []
    for (state, times), style in zip(found.gates.items(), ("s1", "s3"), strict=False):
        order = np.sort(np.minimum(times.tau, 1e4))
        share = (np.arange(len(order)) + 1) / len(order)
        lines.append(Line(state, (100 * share).tolist(), np.maximum(order, 0.1).tolist(), style))
        rows += [
            (f"{state}, {q:.0%} of units below", [float(np.quantile(order, q))]) for q in (0.1, 0.5, 0.9)
        ]
    chart = Chart(
        f"Time scales of the gates, {found.layer}",
        "Units in the order of the time that their gate keeps them",
        "% of units, the quick ones first",
        "steps",
        lines,
        log=True,
        height=240,
    )
    return Figure(
        "How long its gates keep a state",
        svg(chart),
        "Time to fall to 1/e, -1 / ln of the geometric mean of the keeping gate; valid while the decay is exponential.",
        ("units", "steps"),
        rows,
    )


def impulse_figure(found: ImpulseResponse) -> Figure:
    """The mean over inputs with the band from the weakest to the strongest, relative to the largest response."""
    top = float(found.norms.mean(axis=1).max()) or 1.0
    steps = list(range(len(found.norms)))
    low, high = found.norms.min(axis=1) / top, found.norms.max(axis=1) / top
    others = {state: found.relative_of(state) for state in found.states if state != "h"}
    states = [
        Line(f"mean of {state}", steps, values.tolist(), style)
        for (state, values), style in zip(others.items(), STYLES[1:], strict=False)
    ]
    chart = Chart(
        f"Impulse response, {found.layer}",
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
        "How it responds to an impulse",
        svg(chart),
        f"The response of the output{''.join(f' and of {state}' for state in others)}, relative to its largest value: "
        f"mean and range over the {len(found.inputs)} inputs that vary most, each disturbed once by one standard "
        f"deviation. {on_impulse(found)}",
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


def fisher_figures(found: LinearMemory | None) -> list[Figure]:
    """J(k) of each channel that was looked at; nothing of a layer that is not linear, or forgets no noise."""
    if found is None or not found.fisher:
        return []
    end = max(
        10, *(1 + int(np.flatnonzero(each.curve > 1e-3 * each.curve.max())[-1]) for each in found.fisher)
    )
    lines = [
        Line(f"input {channel}", list(range(len(each.curve[:end]))), each.curve[:end].tolist(), style)
        for channel, each, style in zip(found.channels, found.fisher, STYLES, strict=False)
    ]
    chart = Chart(
        f"Fisher memory, {found.layer}",
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
            f"{on_linear(found)}",
            ("input", "J in total", "capacity"),
            [
                (str(channel), [each.total, float(capacity)])
                for channel, each, capacity in zip(found.channels, found.fisher, found.capacity, strict=True)
            ],
        )
    ]
