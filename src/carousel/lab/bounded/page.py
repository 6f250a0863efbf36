"""What the page on bounded activations says."""

from __future__ import annotations

from typing import Any

from carousel.diagnosis.measures.saturation import SATURATED
from carousel.lab.bounded.measure import ACTIVATIONS, GAINS, READ_ERROR, SELF_WEIGHTS, Measurements
from carousel.lab.figures import chart
from carousel.lab.formulas import cell_formulas
from carousel.report.lab import Claim, Figure, Findings, Section
from carousel.report.number_format import number, percent

BOUND = 1.0  # of the values of sigmoid and tanh
BOUNDED = ("sigmoid", "tanh")
GAIN = "gain: spectral radius of W, scale of the input weights"
READABLE = "R² of x read from h"


def findings(found: Measurements) -> Findings:
    """The claims about bounded states and saturation, and the figures behind them."""
    sections = [_largest_section(found), _readable_section(found), _unit_section(found), _lstm_section(found)]
    equations = cell_formulas({f"RNN, {name}": f"rnn-{name}" for name in ACTIVATIONS})
    return Findings([_bounded_claim(found), _saturation_claim(found)], sections, equations)


def _bounded_claim(found: Measurements) -> Claim:
    largest = max(each.largest for name in BOUNDED for each in found.networks[name])
    cells = found.open_lstm
    bursts = {
        name: next((f"{g:g}" for g, each in zip(GAINS, networks, strict=True) if each.largest > 1e6), "none")
        for name, networks in found.networks.items()
    }
    return Claim.judged(
        "Bounded activations guarantee a bounded output for every bounded input.",
        [largest <= BOUND],
        {
            f"largest sigmoid or tanh state, at gains up to {GAINS[-1]:g}": number(largest, 3),
            "gain from which on a relu network passes a million": bursts["relu"],
            "gain from which on a linear network passes a million": bursts["identity"],
            f"cell state of an open LSTM after {len(cells['c'])} steps": number(cells["c"][-1], 0),
            "output h of that LSTM": number(cells["h"][-1], 2),
        },
        "The guarantee covers h alone, and not the cell state of an LSTM.",
    )


def _saturation_claim(found: Measurements) -> Claim:
    first, last = found.networks["tanh"][0], found.networks["tanh"][-1]
    units = found.units["tanh"]
    return Claim.judged(
        "The output is bounded, but the units will saturate.",
        [first.saturated > 0.5, last.saturated >= 0.5],
        {
            f"saturated tanh states at a gain of {GAINS[0]:g}": percent(first.saturated),
            f"saturated tanh states at a gain of {GAINS[-1]:g}": percent(last.saturated),
            "variance of the input that is read from the network at that gain": percent(last.readable),
            "variance that is read from one unit without a self-weight": percent(units[0].readable),
            f"variance that is read from one unit with a self-weight of {SELF_WEIGHTS[-1]:g}": percent(
                units[-1].readable
            ),
        },
        f"A unit is saturated if less than {percent(SATURATED)} of its steepest slope is left. Saturation costs a "
        "single unit more than a network, from whose many signs a linear read-out still tells much.",
        "the weights are large",
    )


def _largest_section(found: Measurements) -> Section:
    largest = {
        name: [min(each.largest, 1e12) for each in networks] for name, networks in found.networks.items()
    }
    drawn = chart(
        "Largest state by the size of the weights",
        (GAIN, "largest |h|"),
        GAINS,
        largest,
        dots=True,
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
                drawn,
                "Sigmoid and tanh stay below 1 for all weights. Relu and linear networks pass every bound.",
            )
        ],
    )


def _readable_section(found: Measurements) -> Section:
    readable = {name: [each.readable for each in found.networks[name]] for name in BOUNDED}
    saturated = {name: [each.saturated for each in found.networks[name]] for name in BOUNDED}
    look: dict[str, Any] = {"dots": True, "x_log": True, "y_range": (0.0, 1.05)}
    return Section(
        "Bounded, and what is left of the input",
        "With large weights nearly every unit is at the end of its range and gives only a sign of the input. A "
        "linear read-out still tells much from 64 signs, since every unit has another threshold.",
        [
            Figure(
                chart("Input that can be read from the state", (GAIN, READABLE), GAINS, readable, **look),
                f"The states are read with an error of {READ_ERROR:g}. The read-out is fitted on one half of the steps "
                "and tested on the other. At the left end the response of sigmoid is hardly larger than this error.",
            ),
            Figure(
                chart("Saturated units", (GAIN, "share of states"), GAINS, saturated, **look),
                f"The same networks. A unit is saturated while its slope is below {percent(SATURATED)} of the "
                "steepest. More units saturate where the read-out tells less.",
            ),
        ],
    )


def _unit_section(found: Measurements) -> Section:
    drawn = chart(
        "Input that can be read from one unit",
        ("weight of the unit on its own last state", READABLE),
        SELF_WEIGHTS,
        {name: [each.readable for each in units] for name, units in found.units.items()},
        dots=True,
        y_range=(0.0, 1.05),
    )
    caption = (
        "Up to a self-weight of about 2, past inputs cover the new one. Beyond it a tanh unit stays at one end of its "
        "range, and the response to new input is smaller than the error of reading."
    )
    return Section(
        "One unit with a self-weight",
        "A single unit has an input weight of 1 and a growing weight on its own last state.",
        [Figure(drawn, caption)],
    )


def _lstm_section(found: Measurements) -> Section:
    cells = found.open_lstm
    drawn = chart(
        "One LSTM unit with open gates",
        ("step", "value"),
        range(1, len(cells["c"]) + 1),
        cells,
        y_range=(0.0, 1.05 * cells["c"][-1]),
    )
    return Section(
        "Where the guarantee ends",
        "The cell state passes through no activation. With a forget gate of 1 it is a sum, and a sum of bounded "
        "terms is not bounded. The output gate and tanh still bound h.",
        [Figure(drawn, "The cell state counts the steps without a bound.")],
    )
