"""The streetlight effect: linear systems are studied because there the light is. How far does their answer carry?

The memory of tanh, sigmoid and relu networks is predicted from the eigenvalues of their linearisation at rest, and held
against what is measured: near that rest, far from it, and while an input drives them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from carousel.diagnosis import fixed_points, recurrent_layers
from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import RNN
from carousel.report.charts import Chart, Line, Points, Scatter
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, percent

ACTIVATIONS = ("tanh", "sigmoid", "relu")
NEAR, FAR = 1e-6, 1.0  # distance of the second start
INPUTS = (0.0, 0.1, 0.3, 1.0, 3.0)  # standard deviation of what drives each unit
HIDDEN = 64
STEPS = 600
SEGMENT = 3  # steps after which a small distance is set back
FORGOTTEN = 0.01  # share of a distance of which nothing counts as remembered
CLOSE = 0.05  # a prediction holds where the factor per step is right to five per cent


@dataclass(frozen=True)
class Network:
    """A random network, its rest h = f(W h + b), and what its linearisation there predicts."""

    activation: str
    radius: float
    layer: RNN
    rest: Tensor
    predicted: float  # largest modulus of the eigenvalues of diag(f'(W h + b)) W


def run(budget: Budget, progress: Progress) -> Findings:
    """Predicted against measured factor per step, by activation, distance from rest, and input."""
    radii = [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.2, 1.5]
    seeds = budget.choose(2, 8)
    made = [network(f, radius, seed) for f in ACTIVATIONS for radius in radii for seed in range(seeds)]
    networks = [net for net in made if net is not None]
    driven: dict[float, list[tuple[Network, float]]] = {scale: [] for scale in INPUTS}
    far: list[tuple[Network, float]] = []
    for k, net in enumerate(networks):
        progress(k / len(networks), f"{net.activation} networks")
        far.append((net, far_factor(net)))
        for scale, found in zip(INPUTS, factors(net, INPUTS), strict=True):
            driven[scale].append((net, found))
    measured = {"near": driven[0.0], "far": far}
    restless = [
        f for f in ACTIVATIONS for _ in range(len(radii) * seeds - sum(n.activation == f for n in networks))
    ]
    numbers: dict[str, float | Sequence[float]] = {
        f"{f} networks without a rest": float(restless.count(f)) for f in ACTIVATIONS
    }
    for group, pairs in measured.items():
        for f in ACTIVATIONS:
            chosen = [(net.predicted, seen) for net, seen in pairs if net.activation == f]
            numbers[f"{f} predicted"] = [a for a, _ in chosen]
            numbers[f"{f} {group} measured"] = [b for _, b in chosen]
            numbers[f"{f} {group} right below 1"] = right(pairs, f, below=True)
            numbers[f"{f} {group} right above 1"] = right(pairs, f, below=False)
    tanh = [net.predicted for net in networks if net.activation == "tanh" and net.radius == 1.5]
    numbers["tanh mean prediction at 1.5"] = sum(tanh) / len(tanh)
    for scale in INPUTS:
        numbers[f"tanh right below 1, input {scale:g}"] = right(driven[scale], "tanh", below=True)
        numbers[f"tanh right above 1, input {scale:g}"] = right(driven[scale], "tanh", below=False)
        numbers[f"tanh mean factor at 1.5, input {scale:g}"] = _mean_at(driven[scale], "tanh", 1.5)
    places = {"near rest": measured["near"], "far from rest": far}
    places |= {f"driven, input {scale:g}": pairs for scale, pairs in driven.items() if scale}
    for f in ACTIVATIONS:
        for place, pairs in places.items():
            predicted, seen = memories(pairs, f)
            numbers[f"{f} memory in steps, predicted, {place}"] = predicted
            numbers[f"{f} memory in steps, measured, {place}"] = seen
    sections = [
        _light_section(measured["near"], restless),
        _memory_section(places),
        _driven_section(driven),
        _table_section(places, driven),
    ]
    equations = {f"RNN, {f}": formula.text(CELLS[f"rnn-{f}"].equations) for f in ACTIVATIONS}
    return Findings(_claims(numbers), sections, numbers, equations, cover=2)


def network(activation: str, radius: float, seed: int) -> Network | None:
    """A random network of this spectral radius, and where it rests without input; None if it rests nowhere."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(HIDDEN, HIDDEN, generator=generator, dtype=torch.float64)
    weight *= radius / torch.linalg.eigvals(weight).abs().max()
    bias = 0.1 * torch.randn(HIDDEN, generator=generator, dtype=torch.float64)
    layer = _layer(activation, weight, bias)
    found = fixed_points(recurrent_layers(layer)[0], starts=16, descent=0)
    if not len(found.points):
        return None
    return Network(
        activation, radius, layer, torch.tensor(found.points[0]), float(abs(found.eigenvalues[0, 0]))
    )


def states(layer: RNN, starts: Tensor, inputs: Tensor) -> Tensor:
    """States (T, starts, H) from each of the starts (starts, H), driven by inputs (T, starts, H)."""
    with torch.no_grad():
        output, _ = layer(inputs, starts[None])
    return output


def _layer(activation: str, weight: Tensor, bias: Tensor) -> RNN:
    """The network as a layer; its inputs are added to the units as they are."""
    layer = RNN(HIDDEN, HIDDEN, nonlinearity=activation, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0").copy_(weight)
        layer.get_parameter("weight_ih_l0").copy_(torch.eye(HIDDEN))
        layer.get_parameter("bias_ih_l0").copy_(bias)
        layer.get_parameter("bias_hh_l0").zero_()
    return layer


def factors(net: Network, scales: Sequence[float] = (0.0,)) -> list[float]:
    """What a step makes of a small distance of two trajectories driven by noise, for each size of the noise.

    The mean over the later steps. After every few steps the distance is set back to NEAR in its own direction
    (Benettin et al. 1980), so that neither rounding nor the curvature of the activation enters.
    """
    generator = torch.Generator().manual_seed(99)
    noise = torch.randn(STEPS, 1, HIDDEN, generator=generator, dtype=torch.float64)
    direction = torch.randn(HIDDEN, generator=generator, dtype=torch.float64).expand(len(scales), -1)
    inputs = torch.tensor(scales, dtype=torch.float64)[:, None] * noise  # (STEPS, scales, H)
    state, sizes = net.rest.expand(len(scales), -1), []
    for first in range(0, STEPS, SEGMENT):
        reach = NEAR * state.norm(dim=1).clamp_min(1.0)  # of large states a share, or rounding would hide it
        beside = state + (reach / direction.norm(dim=1))[:, None] * direction
        driven = inputs[first : first + SEGMENT].repeat(
            1, 2, 1
        )  # all scales at once: first states, then those beside
        state, beside = states(net.layer, torch.cat([state, beside]), driven)[-1].chunk(2)
        direction = beside - state
        sizes.append(direction.norm(dim=1) / reach)
    return [_mean_factor(column) for column in torch.stack(sizes, dim=1)]


def _mean_factor(sizes: Tensor) -> float:
    """The factor per step over the last two thirds; 0 where two trajectories became one, infinity where they left."""
    ended = sizes[~((sizes > 0) & torch.isfinite(sizes))]
    if len(ended):
        return 0.0 if float(ended[0]) == 0 else math.inf
    logs = sizes.log() / SEGMENT
    return float(logs[len(logs) // 3 :].mean().exp())


def far_factor(net: Network) -> float:
    """The same from a start at a distance of 1, without input, while the distance can be seen (above 1e-13)."""
    direction = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(98), dtype=torch.float64)
    starts = torch.stack([net.rest, net.rest + FAR * direction / direction.norm()])
    paths = states(net.layer, starts, torch.zeros(STEPS, 2, HIDDEN, dtype=torch.float64))
    gap = (paths[:, 1] - paths[:, 0]).norm(dim=1)
    lost = (~((gap > 1e-13) & torch.isfinite(gap))).nonzero()
    last = int(lost[0]) if len(lost) else STEPS
    return math.exp(math.log(float(gap[last - 1]) / FAR) / last) if last else 0.0


def right(pairs: list[tuple[Network, float]], activation: str, below: bool) -> float:
    """Share of networks of which the factor is predicted to CLOSE, among those predicted below (above) 1."""
    chosen = [
        (n.predicted, seen)
        for n, seen in pairs
        if n.activation == activation and (n.predicted < 1) == below and n.predicted > 0
    ]
    return sum(abs(seen / predicted - 1) < CLOSE for predicted, seen in chosen) / max(len(chosen), 1)


def memory(factor: float) -> float:
    """Steps until a distance that is multiplied by this factor a step has fallen to FORGOTTEN of it."""
    return math.log(FORGOTTEN) / math.log(factor) if 0 < factor < 1 else 0.0 if factor <= 0 else math.inf


def memories(pairs: list[tuple[Network, float]], activation: str) -> tuple[list[float], list[float]]:
    """Memory in steps as predicted and as measured, of the networks of which both end."""
    chosen = [
        (memory(net.predicted), memory(seen))
        for net, seen in pairs
        if net.activation == activation and 0 < net.predicted < 1 and 0 < seen < 1
    ]
    return [a for a, _ in chosen], [b for _, b in chosen]


def _mean_at(pairs: list[tuple[Network, float]], activation: str, radius: float) -> float:
    chosen = [seen for n, seen in pairs if n.activation == activation and n.radius == radius]
    return sum(chosen) / len(chosen)


def _claims(numbers: dict[str, float | Sequence[float]]) -> list[Claim]:
    def value(name: str) -> float:
        found = numbers[name]
        return found if isinstance(found, float) else math.nan

    near = {f: value(f"{f} near right below 1") for f in ACTIVATIONS}
    steps = {
        place: _typical(numbers, f"tanh memory in steps, {place}")
        for place in ("predicted, near rest", "measured, near rest", "measured, driven, input 1")
    }
    driven = value("tanh right below 1, input 1")
    light, dark = min(near.values()) > 0.9, driven > 0.9
    quiet, loud = (value(f"tanh mean factor at 1.5, input {scale:g}") for scale in (0.0, INPUTS[-1]))
    predicted = value("tanh mean prediction at 1.5")
    return [
        Claim(
            "Streetlight effect: we study linear systems, and take their answer for the others.",
            Verdict.HOLDS if light and dark else Verdict.CONDITIONAL if light else Verdict.FAILS,
            f"{'the network rests and the disturbance is small. ' if light and not dark else ''}Near its rest a "
            f"contracting network forgets as its eigenvalues say, to 5 % a step, in {percent(near['tanh'])} of the "
            f"tanh, {percent(near['sigmoid'])} of the sigmoid and {percent(near['relu'])} of the relu networks; with "
            f"an input of standard deviation 1 in {percent(driven)} of the tanh ones. Until 1 % of a distance is left, "
            f"tanh networks should take {number(steps['predicted, near rest'], 0)} steps, take "
            f"{number(steps['measured, near rest'], 0)}, and driven so "
            f"{number(steps['measured, driven, input 1'], 0)} (medians of the networks that forget).",
        ),
        Claim(
            "An eigenvalue above 1 means that the response blows up.",
            Verdict.FAILS if max(quiet, loud) < predicted - CLOSE else Verdict.HOLDS,
            "Of tanh networks whose weights have a spectral radius of 1.5, and which should grow by "
            f"{number(predicted, 2)} a step where they rest, two near trajectories come, a step, to {number(quiet, 2)} "
            f"of their distance without input and to {number(loud, 2)} with one of standard deviation "
            f"{INPUTS[-1]:g}: {_fate(loud)}. States that are bounded cannot blow up; and an input pushes units onto "
            "the flat parts of tanh.",
        ),
    ]


def _typical(numbers: dict[str, float | Sequence[float]], name: str) -> float:
    """The median of a list of numbers."""
    found = numbers[name]
    return median(found) if isinstance(found, Sequence) and found else math.nan


def _fate(factor: float) -> str:
    return "what looked unstable forgets" if factor < 1 else "they part, but more slowly than that"


def _light_section(near: list[tuple[Network, float]], restless: list[str]) -> Section:
    groups = [
        Points(
            f,
            [n.predicted for n, _ in near if n.activation == f],
            [seen for n, seen in near if n.activation == f],
            f"s{k + 1}",
        )
        for k, f in enumerate(ACTIVATIONS)
    ]
    scatter = Scatter(
        "Predicted and measured factor per step, near rest, without input",
        "Dots on the diagonal are predicted rightly",
        "largest |λ| of the linearisation at rest",
        "measured factor per step",
        groups,
        curves=[([0.0, 1.6], [0.0, 1.6])],
        square=True,
        x_range=(0.0, 1.6),
        y_range=(0.0, 1.6),
        height=440,
    )
    words = (
        f"Random networks of {HIDDEN} units with spectral radii from 0.3 to 1.5 and small biases, and the point where "
        "each rests, h = f(W h + b), stable or not. Two starts, a millionth apart; what a step makes of their distance "
        f"is measured over the last two thirds of {STEPS} steps."
    )
    told = ", ".join(f"{restless.count(f)} {f}" for f in ACTIVATIONS if f in restless)
    caption = (
        f"Every dot is a network. Right to 5 %: below 1 {_shares(near, below=True)}; above 1, where they leave the "
        f"rest at which the prediction was made, {_shares(near, below=False)}. Networks that rest nowhere, not drawn: "
        f"{told or 'none'}."
    )
    return Section("Under the light", words, [Figure(scatter, caption)])


def _shares(pairs: list[tuple[Network, float]], below: bool) -> str:
    """Share of networks that are predicted rightly, by activation; of those without any, nothing."""
    present = [
        f for f in ACTIVATIONS if any(n.activation == f and (n.predicted < 1) == below for n, _ in pairs)
    ]
    return ", ".join(f"{percent(right(pairs, f, below))} of {f}" for f in present) or "none there"


def _memory_section(places: dict[str, list[tuple[Network, float]]]) -> Section:
    """Memory in steps by place; far from rest and driven beside what was predicted at rest."""
    drawings = []
    for place, pairs in places.items():
        groups = [Points(f, *memories(pairs, f), f"s{k + 1}") for k, f in enumerate(ACTIVATIONS)]
        drawings.append(
            Scatter(
                f"Memory in steps, {place}",
                "Dots on the diagonal are predicted rightly, those below forget sooner",
                "predicted at rest: steps until 1 % is left",
                "measured steps",
                groups,
                curves=[([1.0, 1e3], [1.0, 1e3])],
                log=True,
                square=True,
                x_range=(1.0, 1e3),
                y_range=(1.0, 1e3),
                height=440,
            )
        )
    slider = Slider(
        "where",
        list(places),
        drawings,
        "Steps until a distance has fallen to 1 % of what it was, of the networks that forget. Far from rest is a "
        f"start at a distance of {FAR:g}; driven is near, with noise at every step.",
        start=list(places).index("far from rest"),
    )
    rows = []
    for place, pairs in places.items():
        cells = []
        for f in ACTIVATIONS:
            predicted, seen = memories(pairs, f)
            cells.append(
                f"{number(median(predicted), 0)} → {number(median(seen), 0)}" if predicted else "none"
            )
        rows.append([place, *cells])
    table = Table(
        ["", *ACTIVATIONS], rows, "Memory in steps, predicted → measured: medians over the networks."
    )
    return Section("How long they remember", "The same factors, as steps.", [slider, table])


def _driven_section(driven: dict[float, list[tuple[Network, float]]]) -> Section:
    charts = []
    for scale, pairs in driven.items():
        groups = [
            Points(
                f,
                [n.predicted for n, _ in pairs if n.activation == f],
                [seen for n, seen in pairs if n.activation == f],
                f"s{k + 1}",
            )
            for k, f in enumerate(ACTIVATIONS)
        ]
        charts.append(
            Scatter(
                f"Predicted and measured factor per step, input {scale:g}",
                "Dots on the diagonal are predicted rightly, those below forget faster",
                "largest |λ| of the linearisation at rest",
                "measured factor per step",
                groups,
                curves=[([0.0, 1.6], [0.0, 1.6])],
                square=True,
                x_range=(0.0, 1.6),
                y_range=(0.0, 1.6),
                height=440,
            )
        )
    slider = Slider(
        "standard deviation of the input",
        [f"{scale:g}" for scale in driven],
        charts,
        f"Of the networks that should forget, right to 5 % without input: {_shares(driven[0.0], below=True)}; with one "
        f"of {INPUTS[-1]:g}: {_shares(driven[INPUTS[-1]], below=True)}. Dots below the diagonal forget faster.",
        start=3,
    )
    return Section("Away from the light", "The same networks, driven by noise at every step.", [slider])


def _table_section(
    places: dict[str, list[tuple[Network, float]]], driven: dict[float, list[tuple[Network, float]]]
) -> Section:
    rows = [
        [place, *[percent(right(pairs, f, below=True)) for f in ACTIVATIONS]]
        for place, pairs in places.items()
    ]
    table = Table(
        ["", *ACTIVATIONS], rows, "Contracting networks of which the factor per step is right to 5 %."
    )
    chart = _phase_chart(driven)
    quiet, loud = (_mean_at(driven[scale], "tanh", 1.5) for scale in (INPUTS[0], INPUTS[-1]))
    caption = (
        "Above 1 near trajectories part (chaos), below 1 the network forgets. At a radius of 1.5 an input takes the "
        f"factor from {number(quiet, 2)} to {number(loud, 2)}."
    )
    return Section("Where the prediction ends", "", [table, Figure(chart, caption)])


def _phase_chart(driven: dict[float, list[tuple[Network, float]]]) -> Chart:
    scales = list(driven)
    lines = [
        Line(
            f"radius {radius:g}",
            scales,
            [_mean_at(driven[scale], "tanh", radius) for scale in scales],
            style,
            dots=True,
        )
        for radius, style in ((0.8, "s1"), (1.2, "s2"), (1.5, "s3"))
    ]
    return Chart(
        "What a step makes of a small distance, tanh",
        "By the strength of the input, for three spectral radii",
        "standard deviation of the input",
        "mean factor per step",
        lines,
        levels=[("1", 1.0)],
        y_range=(0.0, 1.6),
    )
