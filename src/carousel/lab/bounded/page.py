"""What the page on bounded activations says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from carousel.lab.bounded.measure import ACTIVATIONS, GAINS, READ_ERROR, SELF_WEIGHTS, Driven, Measurements
from carousel.lab.figures import curves
from carousel.lab.formulas import cell_formulas
from carousel.report.charts import Chart
from carousel.report.lab import Claim, Figure, Findings, Section
from carousel.report.words import number, percent, power

BOUND = 1.0  # of the values of sigmoid and tanh
BOUNDED = ("sigmoid", "tanh")
GAIN = "gain: spectral radius of W, scale of the input weights"


def findings(found: Measurements) -> Findings:
    """The claims about bounded states and saturation, and the figures behind them."""
    sections = [_largest_section(found), _readable_section(found), _unit_section(found), _lstm_section(found)]
    equations = cell_formulas({f"RNN, {name}": f"rnn-{name}" for name in ACTIVATIONS})
    return Findings([_bounded_claim(found), _saturation_claim(found)], sections, found.numbers, equations)


def _bounded_claim(found: Measurements) -> Claim:
    largest = max(each.largest for name in BOUNDED for each in found.networks[name])
    cells = found.open_lstm
    return Claim.judged(
        "Bounded activations guarantee a bounded output for every bounded input.",
        [largest <= BOUND],
        f"The spectral radius of the weights goes from {GAINS[0]:g} to {GAINS[-1]:g}. The largest sigmoid or tanh "
        f"state is {number(largest, 3)}. {_blow_up(found, 'relu', 'relu')} {_blow_up(found, 'identity', 'linear')} "
        f"The guarantee covers h alone: the cell state of an LSTM with open gates is {cells['c'][-1]:.0f} after "
        f"{len(cells['c'])} steps, while h stays at {number(cells['h'][-1], 2)}.",
    )


def _blow_up(found: Measurements, name: str, word: str) -> str:
    gains = [gain for gain, each in zip(GAINS, found.networks[name], strict=True) if each.largest > 1e6]
    return f"A {word} network passes a million {f'from a gain of {gains[0]:g} on' if gains else 'nowhere'}."


def _saturation_claim(found: Measurements) -> Claim:
    first, last = found.networks["tanh"][0], found.networks["tanh"][-1]
    units = found.units["tanh"]
    return Claim.judged(
        "The output is bounded, but the units will saturate.",
        [first.saturated > 0.5, last.saturated >= 0.5],
        f"In a network of 64 tanh units, {percent(first.saturated)} of the states are saturated at a gain of "
        f"{GAINS[0]:g}, and {percent(last.saturated)} at a gain of {GAINS[-1]:g}. Saturation costs a single unit more "
        f"than a network. From one unit, read with an error of {READ_ERROR:g}, a linear read-out tells "
        f"{percent(units[0].readable)} of the variance of the input without a self-weight, and "
        f"{percent(units[-1].readable)} with a self-weight of {SELF_WEIGHTS[-1]:g}. From the signs of the network at "
        f"the largest gain, it still tells {percent(last.readable)}.",
        "the weights are large",
    )


def _chart(
    title: str,
    description: str,
    y_label: str,
    found: dict[str, list[Driven]],
    value: Callable[[Driven], float],
    x: Sequence[float] = GAINS,
    x_label: str = GAIN,
) -> Chart:
    values = {name: [value(each) for each in found[name]] for name in ACTIVATIONS if name in found}
    lines = curves(x, values, dots=True)
    return Chart(title, description, x_label, y_label, lines, x_log=x is GAINS, y_range=(0.0, 1.05))


def _largest_section(found: Measurements) -> Section:
    largest = {
        name: [min(each.largest, 1e12) for each in networks] for name, networks in found.networks.items()
    }
    chart = Chart(
        "Largest state by the size of the weights",
        f"tanh {power(found.networks['tanh'][-1].largest)} at the right end, linear beyond 10¹²",
        GAIN,
        "largest |h|",
        curves(GAINS, largest, dots=True),
        levels=[("bound 1", BOUND)],
        log=True,
        x_log=True,
        y_range=(0.05, 2e12),
    )
    return Section(
        "How large the states become",
        "Networks of 64 units are driven by noise between −1 and 1. A state beyond 10¹² is drawn at the upper edge.",
        [
            Figure(
                chart,
                "Sigmoid and tanh stay below 1 for all weights. Relu and linear networks pass every bound.",
            )
        ],
    )


def _readable_section(found: Measurements) -> Section:
    bounded = {name: found.networks[name] for name in BOUNDED}
    readable = _chart(
        "Input that can be read from the state",
        "Share of the variance of x_t that a linear read-out tells from h_t",
        "R² of x read from h",
        bounded,
        lambda each: each.readable,
    )
    saturated = _chart(
        "Saturated units",
        "Share of states with a slope below a tenth of the steepest",
        "share of states",
        bounded,
        lambda each: each.saturated,
    )
    return Section(
        "Bounded, and what is left of the input",
        "With large weights nearly every unit is at the end of its range and gives only a sign of the input. A "
        "linear read-out still tells much from 64 signs, since every unit has another threshold.",
        [
            Figure(
                readable,
                f"The states are read with an error of {READ_ERROR:g}. The read-out is fitted on one half of the steps "
                "and tested on the other. At the left end the response of sigmoid is hardly larger than this error.",
            ),
            Figure(saturated, "The same networks: more units saturate where the read-out tells less."),
        ],
    )


def _unit_section(found: Measurements) -> Section:
    chart = _chart(
        "Input that can be read from one unit",
        "Share of the variance of x_t that a linear read-out tells from the state of the unit, by its self-weight",
        "R² of x read from h",
        found.units,
        lambda each: each.readable,
        SELF_WEIGHTS,
        "weight of the unit on its own last state",
    )
    caption = (
        "Up to a self-weight of about 2, past inputs cover the new one. Beyond it a tanh unit stays at one end of its "
        "range, and the response to new input is smaller than the error of reading."
    )
    return Section(
        "One unit with a self-weight",
        "A single unit has an input weight of 1 and a growing weight on its own last state.",
        [Figure(chart, caption)],
    )


def _lstm_section(found: Measurements) -> Section:
    cells = found.open_lstm
    chart = Chart(
        "One LSTM unit with open gates",
        f"c reaches {cells['c'][-1]:.0f}, h stays below 1",
        "step",
        "value",
        curves(range(1, len(cells["c"]) + 1), cells),
        y_range=(0.0, 1.05 * cells["c"][-1]),
    )
    return Section(
        "Where the guarantee ends",
        "The cell state passes through no activation. With a forget gate of 1 it is a sum, and a sum of bounded "
        "terms is not bounded. The output gate and tanh still bound h.",
        [Figure(chart, "The cell state counts the steps without a bound.")],
    )
