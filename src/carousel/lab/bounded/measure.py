"""Bounded input, bounded output: guaranteed by bounded activations; and what saturation then leaves of the input.

Random networks with weights of every size are driven by bounded noise. How large do their states become, and how well
can a linear read-out still tell the input from the state?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import LSTM, RNN
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Verdict
from carousel.report.words import number, percent, power

ACTIVATIONS = ("sigmoid", "tanh", "relu", "identity")
BOUND = 1.0  # of sigmoid's and tanh's values
READ_ERROR = 0.05  # standard deviation: a read-out of no error would see through any saturation
SATURATED = 0.1  # a unit is saturated where its slope is below this share of the steepest
_STYLES = {name: f"s{k + 1}" for k, name in enumerate(ACTIVATIONS)}


@dataclass(frozen=True)
class Driven:
    """A network driven by noise: its largest state, the share of saturated units, how much input shows."""

    largest: float
    saturated: float
    shown: float


def run(budget: Budget, progress: Progress) -> Findings:
    """Largest states, saturation and readable input by the size of the weights; the LSTM's cell beside."""
    gains = [2.0**k for k in range(-4, 8)]
    steps = budget.choose(400, 2_000)
    driven: dict[str, list[Driven]] = {name: [] for name in ACTIVATIONS}
    for k, name in enumerate(ACTIVATIONS):
        progress(k / len(ACTIVATIONS), f"{name} networks")
        driven[name] = [drive(name, gain, steps) for gain in gains]
    progress(0.9, "single units")
    loops = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0]
    units = {name: [drive_unit(name, loop, 10 * steps) for loop in loops] for name in ("sigmoid", "tanh")}
    progress(0.95, "the cell of an LSTM")
    cells = open_cell(200)
    numbers: dict[str, float | Sequence[float]] = {"gains": gains, "LSTM largest c": cells[0][-1]}
    for name in ACTIVATIONS:
        numbers[f"{name} largest state"] = [_finite(each.largest) for each in driven[name]]
        numbers[f"{name} input shown"] = [each.shown for each in driven[name]]
        numbers[f"{name} saturated"] = [each.saturated for each in driven[name]]
    numbers["self-weights"] = loops
    for name, found in units.items():
        numbers[f"{name} unit input shown"] = [each.shown for each in found]
    sections = [
        _largest_section(gains, driven),
        _shown_section(gains, driven),
        _unit_section(loops, units),
        _cell_section(cells),
    ]
    equations = {f"RNN, {name}": formula.text(CELLS[f"rnn-{name}"].equations) for name in ACTIVATIONS}
    return Findings(_claims(gains, driven, (loops, units["tanh"]), cells), sections, numbers, equations)


def drive(activation: str, gain: float, steps: int, hidden: int = 64, inputs: int = 8) -> Driven:
    """Drive a random network by uniform noise in [-1, 1]; `gain` is the spectral radius of W and the scale of W_x."""
    generator = torch.Generator().manual_seed(11)
    cell = RNN(inputs, hidden, nonlinearity=activation, bias=False, dtype=torch.float64)
    weight = torch.randn(hidden, hidden, generator=generator, dtype=torch.float64)
    weight_x = torch.randn(hidden, inputs, generator=generator, dtype=torch.float64)
    noise = torch.rand(steps, 1, inputs, generator=generator, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        cell.get_parameter("weight_hh_l0").copy_(gain * weight / torch.linalg.eigvals(weight).abs().max())
        cell.get_parameter("weight_ih_l0").copy_(gain * weight_x)
        output, _ = cell(noise)
    return _measure(activation, noise[:, 0], output[:, 0])


def drive_unit(activation: str, loop: float, steps: int) -> Driven:
    """Drive one unit, whose state comes back through the weight `loop`, by uniform noise in [-1, 1]."""
    cell = RNN(1, 1, nonlinearity=activation, bias=False, dtype=torch.float64)
    noise = torch.rand(steps, 1, 1, generator=torch.Generator().manual_seed(12), dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        cell.get_parameter("weight_hh_l0").fill_(loop)
        cell.get_parameter("weight_ih_l0").fill_(1.0)
        output, _ = cell(noise)
    return _measure(activation, noise[:, 0], output[:, 0])


def _measure(activation: str, inputs: torch.Tensor, states: torch.Tensor) -> Driven:
    saturated = float((slope(activation, states) < SATURATED).double().mean())
    largest = float(
        states.abs().nan_to_num(math.inf).max()
    )  # infinity less infinity is no number, but it has left
    return Driven(largest, saturated, readable(inputs, states))


def slope(activation: str, states: torch.Tensor) -> torch.Tensor:
    """f'(z) by the value f(z), as a share of the steepest slope."""
    if activation == "sigmoid":
        return 4 * states * (1 - states)
    if activation == "tanh":
        return 1 - states**2
    return (states > 0).double() if activation == "relu" else torch.ones_like(states)


def readable(inputs: torch.Tensor, states: torch.Tensor) -> float:
    """Share of the input's variance (R²) that a linear read-out of h_t tells of x_t, on the second half of the steps.

    States are read with an error of READ_ERROR. Fitted by least squares on the first half; 0 where the states left the
    range of numbers, or say less than the mean.
    """
    if not bool(torch.isfinite(states).all()) or float(states.abs().max()) > 1e100:
        return 0.0
    error = torch.randn(states.shape, generator=torch.Generator().manual_seed(13), dtype=states.dtype)
    states = states + READ_ERROR * error
    half = len(states) // 2
    ones = torch.ones(len(states), 1, dtype=states.dtype)
    design = torch.cat([states / states.abs().max().clamp_min(1e-30), ones], dim=1)
    fit = torch.linalg.lstsq(design[:half], inputs[:half], driver="gelsd").solution
    left = (design[half:] @ fit - inputs[half:]).square().sum() / inputs[half:].square().sum()
    return max(0.0, 1.0 - float(left))


def open_cell(steps: int) -> tuple[list[float], list[float]]:
    """(c_t, h_t) of an LSTM unit whose gates are all open (biases of 40) and whose input says "more" every step."""
    cell = LSTM(1, 1, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.get_parameter("bias_ih_l0").fill_(40.0)
        trace = cell.trace(torch.ones(steps, 1, 1, dtype=torch.float64))[0]
    return trace.values["c"].flatten().tolist(), trace.values["h"].flatten().tolist()


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 1e308


def _claims(
    gains: list[float],
    driven: dict[str, list[Driven]],
    units: tuple[list[float], list[Driven]],
    cells: tuple[list[float], list[float]],
) -> list[Claim]:
    most = max(each.largest for name in ("sigmoid", "tanh") for each in driven[name])
    burst = {
        name: [gain for gain, each in zip(gains, driven[name], strict=True) if each.largest > 1e6]
        for name in ("relu", "identity")
    }
    left = "; ".join(
        f"{words} passes a million {f'from a gain of {burst[name][0]:g} on' if burst[name] else 'nowhere'}"
        for name, words in (("relu", "relu"), ("identity", "the linear net"))
    )
    first, last = driven["tanh"][0], driven["tanh"][-1]
    loops, found = units
    always, never = first.saturated > 0.5, last.saturated < 0.5
    return [
        Claim(
            "Bounded activations guarantee a bounded output for every bounded input.",
            Verdict.HOLDS if most <= BOUND else Verdict.FAILS,
            f"With weights from {gains[0]:g} to {gains[-1]:g} times a spectral radius of 1, the largest sigmoid or "
            f"tanh state is {number(most, 3)}; {left}. The guarantee is for h: the cell of an LSTM with open gates "
            f"reads {cells[0][-1]:.0f} after {len(cells[0])} steps, while h stays at {number(cells[1][-1], 2)}.",
        ),
        Claim(
            "Bounded, but the units will saturate.",
            Verdict.HOLDS if always else Verdict.FAILS if never else Verdict.CONDITIONAL,
            f"{'' if always or never else 'the weights are large. '}In a network of 64 tanh units, a gain of "
            f"{gains[0]:g} to {gains[-1]:g} takes saturation from {percent(first.saturated)} to "
            f"{percent(last.saturated)} of the states. It costs a single unit more than a crowd: one tanh unit, read "
            f"with an error of {READ_ERROR:g}, tells {percent(found[0].shown)} of its input's variance without a loop "
            f"and {percent(found[-1].shown)} with a self-weight of {loops[-1]:g}; the network at its largest gain "
            f"still tells {percent(last.shown)}, by its signs.",
        ),
    ]


def _largest_section(gains: list[float], driven: dict[str, list[Driven]]) -> Section:
    lines = [
        Line(name, gains, [min(each.largest, 1e12) for each in driven[name]], _STYLES[name], dots=True)
        for name in ACTIVATIONS
    ]
    chart = Chart(
        "Largest state by the size of the weights",
        f"tanh {power(driven['tanh'][-1].largest)} at the right end, linear beyond 10¹²",
        "gain: spectral radius of W, scale of the input's weights",
        "largest |h|",
        lines,
        levels=[("bound 1", BOUND)],
        log=True,
        x_log=True,
        y_range=(0.05, 2e12),
    )
    words = (
        "Networks of 64 units driven by noise between −1 and 1. What passes 10¹² is drawn at the upper edge."
    )
    caption = "Sigmoid and tanh stay below 1 for any weights; relu and the linear network leave every range."
    return Section("How large the states become", words, [Figure(chart, caption)])


def _shown_section(gains: list[float], driven: dict[str, list[Driven]]) -> Section:
    bounded = ("sigmoid", "tanh")
    shown = Chart(
        "Input that still shows in the state",
        "Share of the variance of x_t that a linear read-out tells from h_t",
        "gain: spectral radius of W, scale of the input's weights",
        "R² of x read from h",
        [
            Line(name, gains, [each.shown for each in driven[name]], _STYLES[name], dots=True)
            for name in bounded
        ],
        x_log=True,
        y_range=(0.0, 1.05),
    )
    saturated = Chart(
        "Saturated units",
        "Share of states with a slope below a tenth of the steepest",
        "gain: spectral radius of W, scale of the input's weights",
        "share of states",
        [
            Line(name, gains, [each.saturated for each in driven[name]], _STYLES[name], dots=True)
            for name in bounded
        ],
        x_log=True,
        y_range=(0.0, 1.05),
    )
    words = (
        "With large weights nearly every unit sits at the end of its range. What it says of the input is a sign; but "
        "64 signs, each with another threshold, are still a code that a linear read-out understands."
    )
    return Section(
        "Bounded, and what is left of the input",
        words,
        [
            Figure(
                shown,
                f"A linear read-out of states read with an error of {READ_ERROR:g}, fitted on one half of the steps "
                "and tested on the other. At the left end a sigmoid's weak answer is near that error.",
            ),
            Figure(saturated, "The same networks: saturation rises where the read-out falls."),
        ],
    )


def _unit_section(loops: list[float], units: dict[str, list[Driven]]) -> Section:
    lines = [
        Line(name, loops, [each.shown for each in found], _STYLES[name], dots=True)
        for name, found in units.items()
    ]
    chart = Chart(
        "What one unit still tells of its input",
        "Share of the variance of x_t that a linear read-out tells from the unit's state, by its self-weight",
        "weight of the unit's own last state",
        "R² of x read from h",
        lines,
        y_range=(0.0, 1.05),
    )
    words = "A single unit with an input weight of 1 and a growing weight on its own last state."
    caption = (
        "Up to a self-weight of about 2 the past drowns what is new. Beyond, a tanh unit holds one side, and what new "
        "input still moves is soon less than the error of reading."
    )
    return Section("One unit that listens to itself", words, [Figure(chart, caption)])


def _cell_section(cells: tuple[list[float], list[float]]) -> Section:
    steps = range(1, len(cells[0]) + 1)
    chart = Chart(
        "One LSTM unit, all gates open",
        f"c reaches {cells[0][-1]:.0f}, h stays below 1",
        "step",
        "value",
        [Line("c", steps, cells[0], "s2"), Line("h", steps, cells[1], "s1")],
        y_range=(0.0, 1.05 * cells[0][-1]),
    )
    words = (
        "The cell state passes through no activation: with its forget gate at 1 it is a sum, and a sum of bounded "
        "terms is not bounded. The output gate and tanh bound h all the same."
    )
    return Section("Where the guarantee ends", words, [Figure(chart, "The carousel counts without end.")])
