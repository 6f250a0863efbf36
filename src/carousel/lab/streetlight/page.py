"""What the page on the streetlight effect says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from carousel.lab.figures import chart
from carousel.lab.formulas import cell_formulas
from carousel.lab.streetlight.measure import (
    ACTIVATIONS,
    CLOSE,
    FAR,
    FAR_FROM_REST,
    HIDDEN,
    INPUTS,
    NEAR_REST,
    PLACES,
    STEPS,
    Measurements,
    driven_by,
)
from carousel.report.charts import Points, Scatter
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import number, percent

LOUDEST = driven_by(INPUTS[-1])
RIGHT = 0.9  # share of networks from which on a prediction counts as right


def findings(found: Measurements) -> Findings:
    """The claims about the linearisation, and the figures behind them."""
    sections = [_near_section(found), _memory_section(found), _driven_section(found), _range_section(found)]
    equations = cell_formulas({f"RNN, {f}": f"rnn-{f}" for f in ACTIVATIONS})
    return Findings([_linear_claim(found), _growth_claim(found)], sections, equations, cover=2)


def _linear_claim(found: Measurements) -> Claim:
    near = {f: found.right(f, NEAR_REST) for f in ACTIVATIONS}
    driven = found.right("tanh", driven_by(1.0))
    predicted, at_rest = map(_median, found.memories("tanh", NEAR_REST))
    _, with_input = map(_median, found.memories("tanh", driven_by(1.0)))
    return Claim.judged(
        "Streetlight effect: we study linear systems, and take their answer for the others.",
        [min(near.values()) > RIGHT, driven > RIGHT] if min(near.values()) > RIGHT else [False],
        {
            f"{f} networks that are predicted rightly near the fixed point": percent(near[f])
            for f in ACTIVATIONS
        }
        | {
            "tanh networks that are predicted rightly with an input of 1": percent(driven),
            "steps in which the median tanh network should forget 99 %": number(predicted, 0),
            "steps that it takes near the fixed point": number(at_rest, 0),
            "steps that it takes with an input of 1": number(with_input, 0),
        },
        f"A prediction is right if the factor per step is right to {percent(CLOSE)}. It comes from the eigenvalues of "
        "the linearisation. Only networks that should contract count.",
        "the network is near a fixed point and the disturbance is small",
    )


def _median(values: list[float]) -> float:
    return median(values) if values else math.nan


def _growth_claim(found: Measurements) -> Claim:
    predicted, quiet = found.mean_tanh(1.5, NEAR_REST)
    _, loud = found.mean_tanh(1.5, LOUDEST)
    return Claim.judged(
        "An eigenvalue above 1 means that the response blows up.",
        [max(quiet, loud) >= predicted - CLOSE],
        {
            "predicted factor on the distance of two trajectories in one step": number(predicted, 2),
            "factor that is measured without input": number(quiet, 2),
            f"factor that is measured with an input of {INPUTS[-1]:g}": number(loud, 2),
        },
        "These are tanh networks whose weights have a spectral radius of 1.5. Bounded states cannot blow up, and an "
        "input moves the units to the flat parts of tanh.",
    )


def _scatter(title: str, groups: Sequence[Points], ends: tuple[float, float], log: bool = False) -> Scatter:
    """Measured against predicted, with the diagonal on which both agree."""
    return Scatter(
        title,
        "Dots on the diagonal are predicted rightly, dots below it forget faster",
        "predicted at rest: steps until 1 % is left" if log else "largest |λ| of the linearisation at rest",
        "measured steps" if log else "measured factor per step",
        groups,
        curves=[(ends, ends)],
        log=log,
        square=True,
        x_range=ends,
        y_range=ends,
    )


def _factor_scatter(title: str, found: Measurements, place: str) -> Scatter:
    groups = []
    for k, f in enumerate(ACTIVATIONS, start=1):
        factors = found.factors(f, place)
        groups.append(Points(f, [p for p, _ in factors], [measured for _, measured in factors], f"s{k}"))
    return _scatter(title, groups, (0.0, 1.6))


def _near_section(found: Measurements) -> Section:
    title = "Predicted and measured factor per step, near rest, without input"
    text = (
        f"Random networks of {HIDDEN} units have spectral radii from 0.3 to 1.5 and small biases. Each is started at "
        "its fixed point h = f(W h + b), stable or not, and a second time at a distance of a millionth. The factor by "
        f"which a step multiplies this distance is measured over the last two thirds of {STEPS} steps."
    )
    missing = ", ".join(f"{count} {f}" for f, count in found.without_rest.items() if count)
    caption = (
        "Every dot is a network. Below 1 the network stays at the fixed point, and above 1 it leaves. Networks without "
        f"a fixed point are not drawn: {missing or 'none'}."
    )
    return Section("Near the fixed point", text, [Figure(_factor_scatter(title, found, NEAR_REST), caption)])


def _share(found: Measurements, activation: str, place: str, below: bool) -> str:
    """Share of networks with a prediction below (above) 1 that are predicted rightly, if there are any."""
    some = any((p < 1) == below for p, _ in found.factors(activation, place))
    return percent(found.right(activation, place, below)) if some else "none"


def _memory_section(found: Measurements) -> Section:
    drawings = {}
    for place in PLACES:
        groups = [Points(f, *found.memories(f, place), f"s{k}") for k, f in enumerate(ACTIVATIONS, start=1)]
        drawings[place] = _scatter(f"Memory in steps, {place}", groups, (1.0, 1e3), log=True)
    caption = (
        "Steps until a distance has fallen to 1 %, of the networks that forget. Far from rest means a start at a "
        f"distance of {FAR:g}. Driven networks start near rest and get noise at every step."
    )
    rows = [[place, *[_medians(*found.memories(f, place)) for f in ACTIVATIONS]] for place in PLACES]
    table = Table(["", *ACTIVATIONS], rows, "Median memory in steps, predicted → measured.")
    return Section(
        "How long they remember",
        "The same factors are shown as steps.",
        [Slider("where", drawings, caption, FAR_FROM_REST), table],
    )


def _medians(predicted: list[float], measured: list[float]) -> str:
    return f"{number(median(predicted), 0)} → {number(median(measured), 0)}" if predicted else "none"


def _driven_section(found: Measurements) -> Section:
    title = "Predicted and measured factor per step, input "
    drawings = {f"{s:g}": _factor_scatter(f"{title}{s:g}", found, driven_by(s)) for s in INPUTS}
    caption = (
        "The stronger the input, the further the dots lie from the diagonal. The table below counts them."
    )
    return Section(
        "Away from the fixed point",
        "Noise drives the same networks at every step.",
        [Slider("standard deviation of the input", drawings, caption, f"{INPUTS[3]:g}")],
    )


def _range_section(found: Measurements) -> Section:
    kinds = [(place, place, True) for place in PLACES] + [("near rest, predicted above 1", NEAR_REST, False)]
    rows = [[name, *[_share(found, f, place, below) for f in ACTIVATIONS]] for name, place, below in kinds]
    table = Table(
        ["", *ACTIVATIONS],
        rows,
        "Share of the networks whose factor per step is right to 5 %. Above the last row they are predicted below 1.",
    )
    factors = {
        f"radius {radius:g}": [found.mean_tanh(radius, driven_by(scale))[1] for scale in INPUTS]
        for radius in (0.8, 1.2, 1.5)
    }
    drawn = chart(
        "Factor per step of a small distance, tanh",
        ("standard deviation of the input", "mean factor per step"),
        INPUTS,
        factors,
        dots=True,
        levels=[("1", 1.0)],
        y_range=(0.0, 1.6),
    )
    caption = (
        "Above 1 two near trajectories part, which is chaos. Below 1 the network forgets. A strong input makes "
        "even networks of a large spectral radius forget."
    )
    return Section("Where the prediction ends", "", [table, Figure(drawn, caption)])
