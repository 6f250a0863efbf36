"""The figures of one layer in a diagnosis: how its gradient goes, and, where they were measured, all the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from carousel.diagnosis.measures.gradient_by_lag import GradientByLag
from carousel.diagnosis.measures.lyapunov import Lyapunov
from carousel.diagnosis.measures.memory import Memory
from carousel.diagnosis.measures.saturation import Saturation
from carousel.diagnosis.measures.spectrum import MatrixSpectrum, Spectrum
from carousel.diagnosis.result import LayerDiagnosis
from carousel.report.charts.line import Chart, Line, svg
from carousel.report.charts.scatter import Points, Scatter, scatter_svg
from carousel.report.words import number, percent

_TEN = math.log(10)
_STYLES = ("s1", "s2", "s3", "s4", "s5")
_ROOM = 3  # powers of ten that a bound may take above the measured curves; higher it leaves the picture


@dataclass(frozen=True)
class Figure:
    """A picture, what to see in it, and the rows of numbers behind it."""

    heading: str
    picture: Markup
    caption: str
    head: Sequence[str] = ()
    rows: Sequence[tuple[str, Sequence[float]]] = ()


def figures(layer: LayerDiagnosis) -> list[Figure]:
    """All that can be drawn of a layer."""
    drawn = [gradient_figure(layer.gradient), memory_figure(layer.memory)]
    if layer.memory.gates:
        drawn.append(times_figure(layer.memory))
    drawn += [spectrum_figure(layer.spectrum), lyapunov_figure(layer.lyapunov)]
    return [*drawn, saturation_figure(layer.saturation)] if layer.saturation.activations else drawn


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
    lines = [Line(name, *_finite(lags, values), style) for name, (values, style) in drawn.items()]
    inside = np.where(bound <= high + _ROOM, bound, np.nan)
    if np.isfinite(inside).sum() < len(lags) / 10:  # a stub at the left edge says less than the caption
        inside[:] = np.nan
    if np.isfinite(inside[1:]).any():
        lines.append(Line("bound", *_finite(lags, inside), "s6 dashed"))
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


def spectrum_figure(spectrum: Spectrum) -> Figure:
    """Eigenvalues in the complex plane, with the unit circle."""
    named = {f"weights {gate}": each for gate, each in spectrum.weights.items()}
    groups = [
        _eigenvalues(name, each, style) for (name, each), style in zip(named.items(), _STYLES, strict=False)
    ]
    left_out = len(named) > len(_STYLES)
    if spectrum.jacobians:  # as rings, which leave what they lie upon to be seen
        groups.append(
            _eigenvalues(f"Jacobian, step {int(spectrum.steps[0, 0])}", spectrum.jacobians[0], "s6 ring")
        )
    reach = max([1.1, *(1.05 * abs(value) for group in groups for value in [*group.x, *group.y])])
    turn = np.linspace(0, 2 * math.pi, 181)
    scatter = Scatter(
        f"Eigenvalues, {spectrum.layer}",
        "Eigenvalues of recurrent weights and of a Jacobian, with the unit circle",
        "real part",
        "imaginary part",
        groups,
        curves=[(np.cos(turn).tolist(), np.sin(turn).tolist())],
        square=True,
        x_range=(-reach, reach),
        y_range=(-reach, reach),
    )
    named |= {
        f"Jacobian at step {int(t)}": each
        for (t, _), each in zip(spectrum.steps, spectrum.jacobians, strict=True)
    }
    rows = [(name, [m.radius, m.norm, m.henrici, m.peak, float(m.peak_power)]) for name, m in named.items()]
    return Figure(
        "Where its eigenvalues lie",
        scatter_svg(scatter),
        "Inside the unit circle a direction shrinks from step to step, outside it grows. Eigenvalues alone mislead "
        "where a matrix is far from normal: the norm of its powers then rises before it falls. On the batch the "
        f"Jacobian has a median radius of {number(spectrum.radius, 3)} and norm of {number(spectrum.norm, 3)}."
        + (f" Of {len(spectrum.weights)} matrices of weights {len(_STYLES)} are drawn." if left_out else ""),
        ("matrix", "spectral radius", "norm", "departure from normal", "peak of its powers", "at power"),
        rows,
    )


def _eigenvalues(name: str, matrix: MatrixSpectrum, style: str) -> Points:
    return Points(name, matrix.eigenvalues.real.tolist(), matrix.eigenvalues.imag.tolist(), style)


def lyapunov_figure(found: Lyapunov) -> Figure:
    """The running mean of the first exponents: it must have become level."""
    steps = np.arange(1, len(found.running) + 1)
    some = [k for k in range(min(5, found.running.shape[1])) if np.isfinite(found.running[:, k]).any()]
    lines = [Line(f"{k + 1}", *_finite(steps.tolist(), found.running[:, k]), _STYLES[k]) for k in some]
    tail = found.running[len(found.running) // 8 :, some]
    tail = tail[np.isfinite(tail)] if some else np.zeros(1)
    low, high = min(0.0, float(tail.min())), max(0.0, float(tail.max()))
    room = max(0.01, 0.1 * (high - low))
    chart = Chart(
        f"Lyapunov exponents, {found.layer}",
        "Running mean of the largest exponents",
        "steps averaged over",
        "nats per step",
        lines,
        levels=[("neither", 0.0)],
        y_range=(low - room, high + room),
    )
    rows = [
        (f"{k + 1}", [float(found.exponents[k]), float(found.error[k])]) for k in range(len(found.exponents))
    ]
    return Figure(
        "Whether small differences grow: Lyapunov exponents",
        svg(chart),
        "Above 0 two runs that differ by next to nothing move apart (chaos); below 0 it forgets how it began. The "
        f"largest is {number(float(found.exponents[0]), 3)} ± {number(float(found.error[0]), 3)} nats per step.",
        ("exponent", "nats per step", "standard error"),
        rows,
    )


def saturation_figure(found: Saturation) -> Figure:
    """A bar for each gate: the share of units and steps on which it is flat."""
    shares = {name: each.share for name, each in found.activations.items()}
    return Figure(
        "How much of it is saturated",
        bars({name: (share, percent(share)) for name, share in shares.items()}),
        "Share of units and steps on which the slope of the activation is below a tenth of its steepest (of a ReLU: "
        "zero, which half of the time is nothing unusual).",
        ("activation", "share", "always saturated units", "below 0.1", "above 0.9"),
        [
            (name, [each.share, float(each.always.sum()), float(each.low.mean()), float(each.high.mean())])
            for name, each in found.activations.items()
        ],
    )


def memory_figure(found: Memory) -> Figure:
    """A bar for each definition of memory, in steps."""
    steps = {name: each.steps for name, each in found.estimates.items() if np.isfinite(each.steps)}
    longest = max([1.0, *steps.values()])
    beyond = {name: " or more" if found.estimates[name].censored else "" for name in steps}
    return Figure(
        "How far it remembers",
        bars({n: (value / longest, f"{_steps(value)}{beyond[n]}") for n, value in steps.items()}),
        "".join(sentence(f"{name}: {each.meaning}") for name, each in found.estimates.items())
        + f"Looked at as far as {found.window} steps."
        + (" The gradient grows all the way back: that is no memory." if found.grows else ""),
        ("by", "steps", "from", "to"),
        [(name, [each.steps, each.low, each.high]) for name, each in found.estimates.items()],
    )


def _steps(value: float) -> str:
    """Few steps with a decimal: between 1 and 2 there is a factor of two."""
    words = number(value, 1 if value < 9.95 else 0)
    return f"{words} step{'' if words == '1.0' else 's'}"


def sentence(words: str) -> str:
    """With a capital, a full stop and a space behind it; nothing if there are no words."""
    return f"{words[0].upper()}{words[1:].rstrip('.')}. " if words else ""


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


def bars(rows: Mapping[str, tuple[float, str]]) -> Markup:
    """Name -> (share of the full width, what is written beside the bar)."""
    lines = [
        f'<tr><th scope="row">{escape(name)}</th><td class="bar" aria-hidden="true">'
        f'<span style="width:{100 * share:.1f}%"></span></td><td class="value">{escape(words)}</td></tr>'
        for name, (share, words) in rows.items()
    ]
    return Markup(f'<table class="bars"><tbody>{"".join(lines)}</tbody></table>')


def _finite(lags: Sequence[int], values: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    pairs = [(float(k), float(v)) for k, v in zip(lags, values, strict=True) if np.isfinite(v)]
    return [k for k, _ in pairs], [v for _, v in pairs]


def _range(curves: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves]) if curves else np.zeros(1)
    return min(-2.0, float(values.min())), max(0.0, float(values.max()))
