"""h_k = f(w h_{k-1}) without input: how long does sigmoid, tanh or relu tell its starts apart?

The lecture draws scalar recurrences for w = 0.9, 1.0 and 1.1 and concludes: sigmoid saturates and cannot retain, relu
blows up or vanishes, tanh holds a little longer. Here they run, scalar and vector, next to their fixed points.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import torch

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import RNN
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, percent, power

ACTIVATIONS = ("sigmoid", "tanh", "relu")
WEIGHTS = (0.9, 1.0, 1.1)
STARTS = (-1.0, -0.5, 0.1, 0.5, 1.0)
FROM = {"sigmoid": 0.6, "tanh": 1.0, "relu": 1.0}  # where the search for a fixed point starts
STEEPEST = 0.25  # slope of sigmoid, at 0
TOLD_APART = 0.01  # two starts are told apart while their distance is above this share of what it was
BLOWN_UP = 1e6
ROUNDING = 1e-16  # of float64: distances below are none
VECTOR_STEPS = 200
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "relu": lambda z: max(z, 0.0),
}
_SLOPES: dict[str, Callable[[float], float]] = {  # f'(z) by the value f(z)
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "relu": lambda y: float(y > 0),
}


def run(budget: Budget, progress: Progress) -> Findings:
    """Scalar recurrences, their fixed points, and random networks of several spectral radii."""
    steps = budget.choose(2_000, 20_000)
    progress(0.0, "scalar recurrences")
    ends = {(f, w): trajectories(f, w, steps)[-1] for f in ACTIVATIONS for w in WEIGHTS}
    kept = {(f, w): steps_apart(trajectories(f, w, steps)[:, 3:]) for f in ACTIVATIONS for w in WEIGHTS}
    progress(0.3, "random networks")
    radii = [0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7]
    networks = budget.choose(8, 24)
    fates = {f: [vector_fate(f, radius, networks) for radius in radii] for f in ACTIVATIONS}
    vector = {f: [fate[0] for fate in fates[f]] for f in ACTIVATIONS}
    blown = [share for _, share in fates["relu"]]
    progress(0.8, "drawing")
    numbers = _numbers(ends, kept, radii, vector) | {"relu vector share blown up": blown}
    sections = [
        _scalar_section(),
        _fixed_points_section(ends),
        _memory_section(kept, steps),
        _vector_section(radii, vector, networks),
    ]
    equations = {f"RNN, {name}": formula.text(CELLS[f"rnn-{name}"].equations) for name in ACTIVATIONS}
    return Findings(_claims(kept, radii, vector, blown), sections, numbers, equations, cover=2)


def trajectories(
    activation: str, weight: float, steps: int, starts: Sequence[float] = STARTS
) -> torch.Tensor:
    """h_0 ... h_steps of the scalar recurrence, from each start: (steps + 1, starts), float64."""
    cell = RNN(1, 1, nonlinearity=activation, bias=False, dtype=torch.float64)
    with torch.no_grad():
        cell.get_parameter("weight_hh_l0").fill_(weight)
        start = torch.tensor(starts, dtype=torch.float64).reshape(1, -1, 1)
        output, _ = cell(torch.zeros(steps, len(starts), 1, dtype=torch.float64), start)
    return torch.cat([start, output])[:, :, 0]


def steps_apart(paths: torch.Tensor) -> float:
    """Steps until the last two columns come nearer than TOLD_APART of their first distance; inf if never."""
    distance = (paths[:, -1] - paths[:, -2]).abs()
    merged = (distance < TOLD_APART * distance[0]).nonzero()
    return float(merged[0]) if len(merged) else math.inf


def blow_up(weight: float) -> int:
    """Steps that a relu unit takes from 1 to beyond BLOWN_UP."""
    return int((trajectories("relu", weight, 1_000, [1.0])[:, 0] > BLOWN_UP).nonzero()[0])


def fixed_point(activation: str, weight: float, start: float) -> tuple[float, float]:
    """The fixed point h = f(w h) that Newton's method finds from `start`, and its multiplier w f'(w h).

    Of relu at 0 it is the multiplier for starts above 0; at w = 1 every positive start is a fixed point.
    """
    if activation == "relu":
        return (start if weight == 1 else 0.0), weight
    f, slope = _FUNCTIONS[activation], _SLOPES[activation]
    h = start
    for _ in range(200):
        value = f(weight * h)
        derivative = 1 - weight * slope(value)
        if abs(derivative) < 1e-12:
            break
        h -= (h - value) / derivative
    if (
        abs(h) < 1e-5
    ):  # at w = 1 tanh's root is threefold: Newton creeps to it and stops where rounding hides the rest
        h = 0.0
    return h, weight * slope(f(weight * h))


def vector_fate(activation: str, radius: float, networks: int, hidden: int = 64) -> tuple[float, float]:
    """Random networks of this spectral radius: (median steps for which two starts are told apart, share blown up).

    Steps are inf if the starts are still apart after VECTOR_STEPS. A network of which a state passes 1e6 is blown up
    and tells nothing any more.
    """
    generator = torch.Generator().manual_seed(7)
    lengths, blown = [], 0
    for _ in range(networks):
        cell = RNN(hidden, hidden, nonlinearity=activation, bias=False, dtype=torch.float64)
        weight = torch.randn(hidden, hidden, generator=generator, dtype=torch.float64)
        starts = torch.randn(1, 2, hidden, generator=generator, dtype=torch.float64)
        if activation == "relu":
            starts = starts.abs()  # what relu can hold
        with torch.no_grad():
            cell.get_parameter("weight_hh_l0").copy_(
                weight * radius / torch.linalg.eigvals(weight).abs().max()
            )
            output, _ = cell(torch.zeros(VECTOR_STEPS, 2, hidden, dtype=torch.float64), starts)
        paths = torch.cat([starts, output])
        blown += bool(paths.abs().amax() > BLOWN_UP)
        lengths.append(_vector_apart(paths))
    return float(torch.tensor(lengths).quantile(0.5, interpolation="nearest")), blown / networks


def _vector_apart(paths: torch.Tensor) -> float:
    """Steps until two paths (T, 2, H) are one, or one of them has left every range."""
    distance = (paths[:, 0] - paths[:, 1]).norm(dim=1)
    lost = (distance < TOLD_APART * distance[0]) | (paths.abs().amax(dim=(1, 2)) > BLOWN_UP)
    found = lost.nonzero()
    return float(found[0]) if len(found) else math.inf


def _numbers(
    ends: dict[tuple[str, float], torch.Tensor],
    kept: dict[tuple[str, float], float],
    radii: list[float],
    vector: dict[str, list[float]],
) -> dict[str, float | Sequence[float]]:
    numbers: dict[str, float | Sequence[float]] = {"spectral radii": radii}
    for f in ACTIVATIONS:
        for w in WEIGHTS:
            numbers[f"{f} w={w} end from 1"] = min(
                float(ends[f, w][-1]), sys.float_info.max
            )  # JSON has no infinity
            numbers[f"{f} w={w} steps apart"] = _finite(kept[f, w])
            point, multiplier = fixed_point(f, w, FROM[f])
            numbers[f"{f} w={w} fixed point"], numbers[f"{f} w={w} multiplier"] = point, multiplier
        numbers[f"{f} vector steps apart"] = [_finite(steps) for steps in vector[f]]
    return numbers


def _finite(value: float) -> float:
    """JSON has no infinity: -1 stands for "never"."""
    return value if math.isfinite(value) else -1.0


def _steps(value: float) -> str:
    return f"{value:.0f} steps" if math.isfinite(value) else "for ever"


def _claims(
    kept: dict[tuple[str, float], float],
    radii: list[float],
    vector: dict[str, list[float]],
    blown: list[float],
) -> list[Claim]:
    slowest = max(kept["sigmoid", w] for w in WEIGHTS)
    tanh_last = max(value for value in vector["tanh"] if math.isfinite(value))
    edge = next((r for r, value in zip(radii, vector["tanh"], strict=True) if math.isinf(value)), math.inf)
    bursts = next((r for r, share in zip(radii, blown, strict=True) if share >= 0.5), None)
    fate = (
        f"blow up from a spectral radius of {bursts:g} on"
        if bursts
        else f"do not blow up within {VECTOR_STEPS} steps up to a spectral radius of {radii[-1]:g}"
    )
    forgets = max(slowest, *vector["sigmoid"]) < min(kept["tanh", w] for w in WEIGHTS)
    rests = [fixed_point("sigmoid", w, FROM["sigmoid"]) for w in WEIGHTS]
    steep = [point * (1 - point) / STEEPEST for point, _ in rests]
    grows, dies, keeps = (math.isinf(kept["relu", w]) for w in (1.1, 0.9, 1.0))
    longer = kept["tanh", 1.0] > kept["sigmoid", 1.0] and edge < math.inf
    always = all(kept["tanh", w] >= max(kept[f, w] for f in ACTIVATIONS) for w in WEIGHTS)
    return [
        Claim(
            "With sigmoid activations the network cannot retain information.",
            Verdict.HOLDS if forgets else Verdict.FAILS,
            f"From 0.5 and from 1 a scalar sigmoid is at the same place (to 1 %) after at most {slowest:.0f} steps "
            f"for w = 0.9, 1.0 and 1.1, and a random network of 64 after at most {max(vector['sigmoid']):.0f}; tanh "
            f"takes at least {min(kept['tanh', w] for w in WEIGHTS):.0f}.",
        ),
        Claim(
            "It forgets because it saturates.",
            Verdict.FAILS if min(steep) > 0.5 else Verdict.HOLDS if max(steep) < 0.1 else Verdict.CONDITIONAL,
            f"{'the weight is large enough. ' if max(steep) >= 0.1 and min(steep) <= 0.5 else ''}Where it rests for "
            f"w = 0.9, 1.0 and 1.1, {', '.join(number(point) for point, _ in rests)}, the curve has "
            f"{', '.join(percent(share) for share in steep)} of its steepest slope. What "
            f"forgets is that slope, at most a quarter: a distance is multiplied by w f′, "
            f"{', '.join(number(multiplier) for _, multiplier in rests)}, at each step.",
        ),
        Claim(
            "Relu activations blow up or vanish rapidly.",
            Verdict.FAILS if dies or not grows else Verdict.CONDITIONAL if keeps else Verdict.HOLDS,
            f"{'w is not 1. ' if keeps else ''}A positive start is multiplied by w, so that 50 steps of 0.9 leave "
            f"{0.9**50:.4f} and 50 of 1.1 make {1.1**50:.0f} of it; exactly at w = 1 it is kept for ever, and a "
            f"negative start is gone in one step. Of random networks, most {fate}.",
        ),
        Claim(
            "Tanh activations store best, but not for very long.",
            Verdict.HOLDS if always else Verdict.CONDITIONAL if longer else Verdict.FAILS,
            f"{'' if always else 'w, or the spectral radius, is at least 1, and relu is not asked. '}At w = 1 the "
            f"distance falls like a power ({_steps(kept['tanh', 1.0])} to 1 %; sigmoid {_steps(kept['sigmoid', 1.0])}"
            "), above it the sign of the start stays for ever, and random networks tell starts apart beyond "
            f"{VECTOR_STEPS} steps from a spectral radius of {edge:g} on (below, at most {tanh_last:.0f}). A single "
            f"relu unit keeps a positive start longer, {_steps(kept['relu', 0.9])} against "
            f"{_steps(kept['tanh', 0.9])} at w = 0.9, and for ever at w = 1.",
        ),
    ]


def _scalar_section() -> Section:
    weights = [round(0.5 + 0.05 * k, 2) for k in range(21)]
    sliders = [
        Slider(
            f"w of {f}",
            [f"w = {w:.2f}" for w in weights],
            [_scalar_chart(f, w) for w in weights],
            _SCALAR_CAPTIONS[f],
            start=weights.index(0.9),
        )
        for f in ACTIVATIONS
    ]
    words = (
        "One unit, no input, five starts between −1 and 1. Move w through 1: tanh splits its one resting place into "
        "two, relu turns from dying to blowing up, sigmoid hardly notices."
    )
    return Section("From several starts", words, sliders)


_SCALAR_CAPTIONS = {
    "sigmoid": "Whatever the start, a sigmoid unit is at the same place within about five steps.",
    "tanh": "Below w = 1 everything fades to zero, above it the sign of the start stays.",
    "relu": "A straight line for positive values: only w = 1 keeps what it was given.",
}


def _scalar_chart(activation: str, weight: float) -> Chart:
    paths = trajectories(activation, weight, 40)
    lines = [
        Line(f"from {number(start, 1)}", range(41), paths[:, k].tolist(), f"s{k + 1}")
        for k, start in enumerate(STARTS)
    ]
    top = 2.0 if activation == "relu" else 1.05
    title = f"{activation}, w = {weight:.2f}"
    return Chart(
        title,
        f"States of one {activation} unit over 40 steps from five starts",
        "step k",
        "state h",
        lines,
        y_range=(-1.05, top),
        height=230,
    )


def _fixed_points_section(ends: dict[tuple[str, float], torch.Tensor]) -> Section:
    rows = []
    for f in ACTIVATIONS:
        for w in WEIGHTS:
            point, multiplier = fixed_point(f, w, FROM[f])
            rows.append(
                [f"{f}, w = {w}", number(point, 7), _state(float(ends[f, w][-1])), number(multiplier, 7)]
            )
    table = Table(
        ["", "fixed point in theory", "state measured at the end", "multiplier w f′"],
        rows,
        "A multiplier below 1 pulls back: the smaller, the faster the start is forgotten.",
    )
    words = (
        "Where the state comes to rest solves h = f(w h); near it a distance is multiplied by w f′(w h) a step. For "
        "tanh at w = 1 the multiplier is exactly 1 and the state creeps to zero like √(3/(2k)): the last steps of "
        "the table are still on their way. Relu rests at 0, which repels positive starts from w = 1.1; at w = 1 it "
        "rests wherever it starts."
    )
    return Section("Where they come to rest", words, [table])


def _state(value: float) -> str:
    return number(value, 7) if abs(value) < BLOWN_UP else power(value)


def _memory_section(kept: dict[tuple[str, float], float], steps: int) -> Section:
    rows = [[f, *[_steps(kept[f, w]) for w in WEIGHTS]] for f in ACTIVATIONS]
    rows[-1][-1] = f"until it blows up ({blow_up(1.1)} steps to a million)"
    table = Table(
        ["", *[f"w = {w}" for w in WEIGHTS]],
        rows,
        f"Steps until the distance of the starts 0.5 and 1 is below 1 % of what it was ({steps:,} steps were run).",
    )
    lines = []
    for k, f in enumerate(ACTIVATIONS):
        paths = trajectories(f, 1.0, 200)
        gap = (paths[:, 4] - paths[:, 3]).abs() / 0.5
        lines.append(Line(f, range(201), gap.clamp_min(ROUNDING).tolist(), f"s{k + 1}"))
    chart = Chart(
        "Distance of two starts, w = 1",
        f"After 10 steps sigmoid has {power(lines[0].y[10])} of the distance left, tanh {power(lines[1].y[10])}",
        "step k",
        "share of the first distance",
        lines,
        log=True,
        y_range=(ROUNDING, 2.0),
    )
    caption = (
        "At w = 1 sigmoid forgets exponentially, until rounding leaves no distance (the floor); tanh like a power of "
        "k, and relu, a straight line, not at all."
    )
    return Section("How long two starts are told apart", "", [table, Figure(chart, caption)])


def _vector_section(radii: list[float], vector: dict[str, list[float]], networks: int) -> Section:
    lines = [
        Line(f, radii, [min(value, float(VECTOR_STEPS)) for value in vector[f]], f"s{k + 1}", dots=True)
        for k, f in enumerate(ACTIVATIONS)
    ]
    chart = Chart(
        "Steps for which two random starts are told apart",
        "By spectral radius, for sigmoid, tanh and relu",
        "spectral radius of W",
        f"steps ({VECTOR_STEPS}: to the end)",
        lines,
        y_range=(0.0, 1.05 * VECTOR_STEPS),
    )
    words = (
        f"Networks of 64 units with Gaussian weights scaled to a spectral radius, {networks} for each, two random "
        "starts, no input. A state beyond a million counts as lost."
    )
    caption = (
        "Tanh keeps its starts apart for ever once the radius is well above 1, where it is chaotic: told apart is "
        "not yet read out. Relu tells them apart only until it has died or blown up."
    )
    return Section("Vectors", words, [Figure(chart, caption)])
