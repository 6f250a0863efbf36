"""What the page on the streetlight effect says."""

from __future__ import annotations

import math
from statistics import median

from carousel.lab.figures import curves, slider
from carousel.lab.formulas import cell_formulas
from carousel.lab.streetlight.measure import (
    ACTIVATIONS,
    CLOSE,
    FAR,
    HIDDEN,
    INPUTS,
    STEPS,
    Factors,
    Measurements,
    mean_factor,
    mean_prediction,
    memories,
    right,
)
from carousel.report.charts import Chart, Points, Scatter
from carousel.report.lab import Claim, Figure, Findings, Section, Table
from carousel.report.words import number, percent

RIGHT = 0.9  # share of networks from which on a prediction counts as right


def findings(found: Measurements) -> Findings:
    """The claims about the linearisation, and the figures behind them."""
    sections = [_near_section(found), _memory_section(found), _driven_section(found), _range_section(found)]
    equations = cell_formulas({f"RNN, {f}": f"rnn-{f}" for f in ACTIVATIONS})
    return Findings([_linear_claim(found), _growth_claim(found)], sections, found.numbers, equations, cover=2)


def _linear_claim(found: Measurements) -> Claim:
    near = {f: right(found.near, f, below=True) for f in ACTIVATIONS}
    driven = right(found.driven[1.0], "tanh", below=True)
    predicted, at_rest = map(_median, memories(found.near, "tanh"))
    _, with_input = map(_median, memories(found.driven[1.0], "tanh"))
    return Claim.judged(
        "Streetlight effect: we study linear systems, and take their answer for the others.",
        [min(near.values()) > RIGHT, driven > RIGHT] if min(near.values()) > RIGHT else [False],
        "A prediction is right if the factor per step is right to 5 %. Near the fixed point the eigenvalues predict "
        f"the forgetting of {percent(near['tanh'])} of the contracting tanh networks, {percent(near['sigmoid'])} of "
        f"the sigmoid networks and {percent(near['relu'])} of the relu networks. With an input of standard deviation "
        f"1 they predict {percent(driven)} of the tanh networks. The median tanh network should forget 99 % of a "
        f"distance within {number(predicted, 0)} steps. It takes {number(at_rest, 0)} steps near the fixed point, "
        f"and {number(with_input, 0)} with that input.",
        "the network is near a fixed point and the disturbance is small",
    )


def _median(values: list[float]) -> float:
    return median(values) if values else math.nan


def _growth_claim(found: Measurements) -> Claim:
    quiet, loud = (mean_factor(found.driven[scale], 1.5) for scale in (0.0, INPUTS[-1]))
    predicted = mean_prediction(found.near, 1.5)
    fate = "the network forgets" if loud < 1 else "they part, but more slowly than predicted"
    return Claim.judged(
        "An eigenvalue above 1 means that the response blows up.",
        [max(quiet, loud) >= predicted - CLOSE],
        "Take tanh networks whose weights have a spectral radius of 1.5. At their fixed points the distance of two "
        f"trajectories should grow by a factor of {number(predicted, 2)} a step. Measured over many steps, the factor "
        f"is {number(quiet, 2)} without input. With an input of standard deviation {INPUTS[-1]:g} it is "
        f"{number(loud, 2)}, so that {fate}. Bounded states cannot blow up, and an input moves the units to the flat "
        "parts of tanh.",
    )


def _factor_scatter(title: str, found: Factors) -> Scatter:
    groups = [
        Points(
            f,
            [net.predicted for net, _ in found if net.activation == f],
            [factor for net, factor in found if net.activation == f],
            f"s{k}",
        )
        for k, f in enumerate(ACTIVATIONS, start=1)
    ]
    return Scatter(
        title,
        "Dots on the diagonal are predicted rightly, dots below it forget faster",
        "largest |λ| of the linearisation at rest",
        "measured factor per step",
        groups,
        curves=[([0.0, 1.6], [0.0, 1.6])],
        square=True,
        x_range=(0.0, 1.6),
        y_range=(0.0, 1.6),
        height=440,
    )


def _near_section(found: Measurements) -> Section:
    scatter = _factor_scatter("Predicted and measured factor per step, near rest, without input", found.near)
    text = (
        f"Random networks of {HIDDEN} units have spectral radii from 0.3 to 1.5 and small biases. Each is started at "
        "its fixed point h = f(W h + b), stable or not, and a second time at a distance of a millionth. The factor by "
        f"which a step multiplies this distance is measured over the last two thirds of {STEPS} steps."
    )
    missing = ", ".join(f"{count} {f}" for f, count in found.without_rest.items() if count)
    caption = (
        f"Every dot is a network. Below 1 the prediction is right for {_shares(found.near, below=True)}. Above 1 the "
        f"network leaves the fixed point, and the prediction is right for {_shares(found.near, below=False)}. "
        f"Networks without a fixed point are not drawn: {missing or 'none'}."
    )
    return Section("Near the fixed point", text, [Figure(scatter, caption)])


def _shares(found: Factors, below: bool) -> str:
    """Share of networks that are predicted rightly, by activation, if there are any."""
    present = [
        f for f in ACTIVATIONS if any(n.activation == f and (n.predicted < 1) == below for n, _ in found)
    ]
    return ", ".join(f"{percent(right(found, f, below))} of {f}" for f in present) or "none"


def _memory_section(found: Measurements) -> Section:
    drawings = {
        place: Scatter(
            f"Memory in steps, {place}",
            "Dots on the diagonal are predicted rightly, dots below it forget sooner",
            "predicted at rest: steps until 1 % is left",
            "measured steps",
            [Points(f, *memories(factors, f), f"s{k}") for k, f in enumerate(ACTIVATIONS, start=1)],
            curves=[([1.0, 1e3], [1.0, 1e3])],
            log=True,
            square=True,
            x_range=(1.0, 1e3),
            y_range=(1.0, 1e3),
            height=440,
        )
        for place, factors in found.places.items()
    }
    caption = (
        "Steps until a distance has fallen to 1 %, of the networks that forget. Far from rest means a start at a "
        f"distance of {FAR:g}. Driven networks start near rest and get noise at every step."
    )
    rows = [
        [place, *[_medians(*memories(factors, f)) for f in ACTIVATIONS]]
        for place, factors in found.places.items()
    ]
    table = Table(["", *ACTIVATIONS], rows, "Median memory in steps, predicted → measured.")
    return Section(
        "How long they remember",
        "The same factors are shown as steps.",
        [slider("where", drawings, caption, "far from rest"), table],
    )


def _medians(predicted: list[float], measured: list[float]) -> str:
    return f"{number(median(predicted), 0)} → {number(median(measured), 0)}" if predicted else "none"


def _driven_section(found: Measurements) -> Section:
    drawings = {
        f"{scale:g}": _factor_scatter(f"Predicted and measured factor per step, input {scale:g}", factors)
        for scale, factors in found.driven.items()
    }
    caption = (
        "Without input the prediction is right for "
        f"{_shares(found.near, below=True)} networks that should forget. With an input of {INPUTS[-1]:g} it is right "
        f"for {_shares(found.driven[INPUTS[-1]], below=True)}."
    )
    return Section(
        "Away from the fixed point",
        "Noise drives the same networks at every step.",
        [slider("standard deviation of the input", drawings, caption, f"{INPUTS[3]:g}")],
    )


def _range_section(found: Measurements) -> Section:
    rows = [
        [place, *[percent(right(factors, f, below=True)) for f in ACTIVATIONS]]
        for place, factors in found.places.items()
    ]
    table = Table(
        ["", *ACTIVATIONS], rows, "Share of the contracting networks whose factor per step is right to 5 %."
    )
    chart = Chart(
        "Factor per step of a small distance, tanh",
        "By the strength of the input, for three spectral radii",
        "standard deviation of the input",
        "mean factor per step",
        curves(
            INPUTS,
            {f"radius {r:g}": [mean_factor(found.driven[s], r) for s in INPUTS] for r in (0.8, 1.2, 1.5)},
            dots=True,
        ),
        levels=[("1", 1.0)],
        y_range=(0.0, 1.6),
    )
    quiet, loud = (mean_factor(found.driven[scale], 1.5) for scale in (INPUTS[0], INPUTS[-1]))
    caption = (
        "Above 1 two near trajectories part, which is chaos. Below 1 the network forgets. At a spectral radius of 1.5 "
        f"the input changes the factor from {number(quiet, 2)} to {number(loud, 2)}."
    )
    return Section("Where the prediction ends", "", [table, Figure(chart, caption)])
