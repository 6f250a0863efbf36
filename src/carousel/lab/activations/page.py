"""What the page on sigmoid, tanh and relu says."""

from __future__ import annotations

import math

from carousel.diagnosis.measures.saturation import SATURATED
from carousel.diagnosis.observation.linearisation import STEEPEST
from carousel.lab.activations.measure import (
    ACTIVATIONS,
    BLOWN_UP,
    LATCH,
    RADII,
    STARTS,
    VECTOR_STEPS,
    WEIGHTS,
    Measurements,
    blow_up,
    trajectories,
)
from carousel.lab.figures import chart
from carousel.lab.formulas import cell_formulas
from carousel.report.charts import Chart
from carousel.report.lab import Claim, Figure, Findings, Grid, Section, Slider, Table
from carousel.report.number_format import number, percent, power

ROUNDING = 1e-16  # of float64: a smaller distance is none


def findings(found: Measurements) -> Findings:
    """The claims about three activations, and the figures behind them."""
    claims = [_sigmoid_claim(found), _saturation_claim(found), _relu_claim(found), _tanh_claim(found)]
    sections = [
        _grid_section(),
        _scalar_section(),
        _fixed_points_section(found),
        _memory_section(found),
        _network_section(found),
    ]
    equations = cell_formulas({f"RNN, {name}": f"rnn-{name}" for name in ACTIVATIONS})
    return Findings(claims, sections, equations)


def _steps(value: float) -> str:
    return f"{value:.0f} steps" if math.isfinite(value) else "for ever"


def _sigmoid_claim(found: Measurements) -> Claim:
    slowest = max(found.scalars["sigmoid", w].memory for w in WEIGHTS)
    tanh, network = min(found.scalars["tanh", w].memory for w in WEIGHTS), max(found.memories["sigmoid"])
    return Claim.judged(
        "With sigmoid activations the network cannot retain information.",
        [max(slowest, network) < tanh, math.isfinite(found.latch)],
        {
            "a sigmoid unit forgets its start within": _steps(slowest),
            "a random network of 64 sigmoid units, within": _steps(network),
            "a tanh unit takes at least": _steps(tanh),
            f"a sigmoid unit with w = {LATCH:g} and a bias of −{LATCH / 2:g} keeps two starts apart": _steps(
                found.latch
            ),
        },
        "A start is forgotten when the distance of the starts 0.5 and 1 has fallen to 1 % of the first one. A large "
        "weight gives a sigmoid unit two stable states.",
        "the weights are as small as those of the figures",
    )


def _saturation_claim(found: Measurements) -> Claim:
    units = {w: found.scalars["sigmoid", w] for w in WEIGHTS}
    slopes = {w: unit.multiplier / (w * STEEPEST["sigmoid"]) for w, unit in units.items()}
    return Claim.judged(
        "A sigmoid unit forgets because it saturates.",
        [max(slopes.values()) < SATURATED, min(slopes.values()) <= 0.5],
        {f"share of the steepest slope at rest, w = {w}": percent(slope) for w, slope in slopes.items()}
        | {
            f"factor on a distance in one step, w = {w}": number(unit.multiplier) for w, unit in units.items()
        },
        f"A unit is saturated if less than {percent(SATURATED)} of its steepest slope is left. The sigmoid forgets "
        "because even its steepest slope is only 0.25.",
        "the weight is large enough",
    )


def _relu_claim(found: Measurements) -> Claim:
    grows, dies, keeps = (math.isinf(found.scalars["relu", w].memory) for w in (1.1, 0.9, 1.0))
    bursts = next((r for r, share in zip(RADII, found.blown_up["relu"], strict=True) if share >= 0.5), None)
    return Claim.judged(
        "Relu activations blow up or vanish rapidly.",
        [grows, not dies, not keeps] if grows and not dies else [False],
        {
            "share of a positive start that is left after 50 steps, w = 0.9": power(0.9**50),
            "multiple of a positive start after 50 steps, w = 1.1": f"{1.1**50:.0f}",
            "multiple of a positive start after 50 steps, w = 1": "1",
            "spectral radius from which on most random networks blow up": f"{bursts:g}" if bursts else "none",
        },
        "Every step multiplies a positive start by w. A negative start is lost in one step.",
        "w is not 1",
    )


def _tanh_claim(found: Measurements) -> Claim:
    kept = {case: unit.memory for case, unit in found.scalars.items()}
    edge = next((r for r, m in zip(RADII, found.memories["tanh"], strict=True) if math.isinf(m)), math.inf)
    longest = max(memory for memory in found.memories["tanh"] if math.isfinite(memory))
    best = [kept["tanh", w] >= max(kept[f, w] for f in ACTIVATIONS) for w in WEIGHTS]
    longer = kept["tanh", 1.0] > kept["sigmoid", 1.0] and edge < math.inf
    return Claim.judged(
        "Tanh activations store best, but not for very long.",
        [*best, longer],
        {
            "a tanh unit keeps two starts apart, w = 1": _steps(kept["tanh", 1.0]),
            "a sigmoid unit keeps them apart, w = 1": _steps(kept["sigmoid", 1.0]),
            "a tanh unit keeps them apart, w = 0.9": _steps(kept["tanh", 0.9]),
            "a relu unit keeps them apart, w = 0.9": _steps(kept["relu", 0.9]),
            f"spectral radius from which on random tanh networks keep them over {VECTOR_STEPS} steps": f"{edge:g}",
            "below this radius random tanh networks keep them for at most": _steps(longest),
        },
        "At w = 1 the distance of two starts falls like a power of the step. Above w = 1 a tanh unit keeps the sign of "
        "its start for ever. A single relu unit keeps a positive start longer than tanh does.",
        "w, or the spectral radius, is at least 1, and relu is left out",
    )


_SCALAR_CAPTIONS = {
    "sigmoid": "A sigmoid unit forgets every start within about five steps.",
    "tanh": "Below w = 1 every start fades to zero. Above w = 1 the unit keeps the sign of its start.",
    "relu": "Relu is linear for positive values, so that only w = 1 keeps the start.",
}


def _grid_section() -> Section:
    charts = [_scalar_chart(f, w, 150) for f in ACTIVATIONS for w in WEIGHTS]
    caption = (
        "From left to right the weight is 0.9, 1.0 and 1.1. Sigmoid forgets every start. Tanh forgets slowly, or keeps "
        "the sign. Relu fades, keeps the start, or blows up."
    )
    return Section(
        "Three activations, three weights",
        "One unit h_k = f(w h_{k−1}) runs without input from five starts between −1 and 1.",
        [Grid(charts, 3, caption)],
    )


def _scalar_section() -> Section:
    labels = {f"w = {w:.2f}": w for w in (round(0.5 + 0.1 * k, 2) for k in range(11))}
    sliders = [
        Slider(f"w of {f}", {label: _scalar_chart(f, w) for label, w in labels.items()}, caption, "w = 0.90")
        for f, caption in _SCALAR_CAPTIONS.items()
    ]
    return Section(
        "The weight from 0.5 to 1.5",
        "When w passes 1, the single resting point of tanh splits into two, relu turns from vanishing to blowing up, "
        "and sigmoid hardly changes.",
        sliders,
    )


def _scalar_chart(activation: str, weight: float, height: int = 230) -> Chart:
    found = trajectories(activation, weight, 40)
    return chart(
        f"{activation}, w = {weight:.2f}",
        ("step k", "state h"),
        range(41),
        {f"from {number(s, 1)}": found[:, k].tolist() for k, s in enumerate(STARTS)},
        y_range=(-1.05, 2.0 if activation == "relu" else 1.05),
        height=height,
    )


def _fixed_points_section(found: Measurements) -> Section:
    rows = [
        [
            f"{f}, w = {w}",
            number(unit.fixed_point, 7),
            number(unit.end, 7) if abs(unit.end) < BLOWN_UP else power(unit.end),
            number(unit.multiplier, 7),
        ]
        for (f, w), unit in found.scalars.items()
    ]
    table = Table(
        ["", "fixed point in theory", "last state, measured", "multiplier w f′"],
        rows,
        "A multiplier below 1 pulls the state back. The smaller it is, the faster the unit forgets its start.",
    )
    return Section(
        "Where the units come to rest",
        "A unit comes to rest where h = f(w h). Near this point every step multiplies a distance by w f′(w h). For "
        "tanh at w = 1 the multiplier is exactly 1, and the state falls like √(3/(2k)), so that the last state is "
        "not yet at rest. Relu rests at 0, which repels positive starts at w = 1.1. At w = 1 it rests wherever it "
        "starts.",
        [table],
    )


def _memory_section(found: Measurements) -> Section:
    rows = [[f, *[_steps(found.scalars[f, w].memory) for w in WEIGHTS]] for f in ACTIVATIONS]
    rows[-1][-1] = f"until it blows up ({blow_up(1.1)} steps to a million)"
    table = Table(
        ["", *[f"w = {w}" for w in WEIGHTS]],
        rows,
        "Steps until the distance of the starts 0.5 and 1 is below 1 % of the first one, out of "
        f"{found.steps:,} steps.",
    )
    starts = {f: trajectories(f, 1.0, 200) for f in ACTIVATIONS}
    gaps = {f: ((h[:, 4] - h[:, 3]).abs() / 0.5).clamp_min(ROUNDING).tolist() for f, h in starts.items()}
    drawn = chart(
        "Distance of two starts, w = 1",
        ("step k", "share of the first distance"),
        range(201),
        gaps,
        log=True,
        y_range=(ROUNDING, 2.0),
    )
    caption = (
        "At w = 1 sigmoid forgets exponentially, until rounding leaves no distance. Tanh forgets like a power of k. "
        "Relu keeps the distance."
    )
    return Section("How long two starts stay apart", "", [table, Figure(drawn, caption)])


def _network_section(found: Measurements) -> Section:
    memories = {f: [min(m, float(VECTOR_STEPS)) for m in each] for f, each in found.memories.items()}
    drawn = chart(
        "Steps for which two random starts stay apart",
        ("spectral radius of W", f"steps ({VECTOR_STEPS}: to the end)"),
        RADII,
        memories,
        dots=True,
        y_range=(0.0, 1.05 * VECTOR_STEPS),
    )
    text = (
        f"Networks of 64 units with Gaussian weights run from two random starts without input. The curves show the "
        f"median of {found.networks} networks for each spectral radius. A state beyond a million counts as lost."
    )
    caption = (
        "Well above a spectral radius of 1 tanh networks are chaotic and keep two starts apart for ever, which does "
        "not mean that the starts can be read out. Relu networks keep them apart until the states vanish or blow up."
    )
    return Section("Networks", text, [Figure(drawn, caption)])
