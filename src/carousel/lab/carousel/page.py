"""What the page on the constant error carousel says."""

from __future__ import annotations

import math

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.carousel.measure import AS_PRINTED, FLOOR, HIDDEN, RIGHT, STEPS, Measurements
from carousel.lab.diagrams import cell, unrolled
from carousel.lab.formulas import cell_formulas
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Formula, Section, Slider, Table
from carousel.report.number_format import count, number, power

AXIS = (1e-299, 1e20)  # down to the floor, in eight steps of forty decades
VANISHED = 1e-6  # share of the gradient at the end below which it is lost
ROUNDING = 1e-12  # of float64 over a few steps

PRINTED = """\
∇C_t = ∇h_t ∘ (o_t ∘ tanh′(·) + tanh(·) ∘ σ′(·) W_Co)
     + ∇C_{t+1} ∘ (f_{t+1} + C_t ∘ σ′(·) W_Cf + C̃_{t+1} ∘ σ′(·) W_Ci ∘ tanh(·))

∇h_t = ∇z_t ∇_{h_t} z_t
     + ∇C_{t+1} ∘ (C_t ∘ σ′(·) W_hf + C̃_{t+1} ∘ σ′(·) W_hi)
     + ∇C_{t+1} ∘ o_{t+1} ∘ tanh′(·) W_ho
     + ∇h_{t+1} ∘ tanh(·) ∘ σ′(·) W_ho"""
CORRECTED = """\
∇C_t = ∇h_t ∘ o_t ∘ tanh′(C_t) + (∇h_t ∘ tanh(C_t) ∘ σ′(o)) W_Co
     + ∇C_{t+1} ∘ f_{t+1} + (∇C_{t+1} ∘ C_t ∘ σ′(f)) W_Cf
     + (∇C_{t+1} ∘ C̃_{t+1} ∘ σ′(i)) W_Ci          

∇h_t = ∇z_t ∇_{h_t} z_t
     + (∇C_{t+1} ∘ C_t ∘ σ′(f)) W_hf + (∇C_{t+1} ∘ C̃_{t+1} ∘ σ′(i)) W_hi
     + (∇C_{t+1} ∘ i_{t+1} ∘ tanh′(C̃)) W_hC
     + (∇h_{t+1} ∘ tanh(C_{t+1}) ∘ σ′(o)) W_ho

σ′ and tanh′ are the slopes of the gate or candidate in brackets, at t+1, and with W_Co at t.
Gradients are rows, multiplied unit by unit before the matrix."""


def findings(found: Measurements) -> Findings:
    """The claims about the LSTM, the GRU and the backward formulas, and the figures behind them."""
    sections = [_diagram_section(), _distance_section(found), _bias_section(found), _formula_section(found)]
    equations = cell_formulas(
        {"RNN": "rnn-tanh", "LSTM": "lstm", "GRU, reset after": "gru", "GRU, reset before": "gru-before"}
    )
    equations["LSTM, full peepholes, and its derived backward pass"] = formula.text(
        CELLS["lstm-full"].equations, backward=True
    )
    claims = [_lstm_claim(found), _gru_claim(found), _formula_claim(found)]
    return Findings(claims, sections, equations, cover=1)


def _kept(found: Measurements, name: str) -> bool:
    return found.by_distance[name][STEPS] > VANISHED


def _left(found: Measurements, name: str, steps: int = STEPS) -> str:
    value = found.by_distance[name][steps]
    return "less than float64 can hold" if value <= FLOOR else power(value)


def _lstm_claim(found: Measurements) -> Claim:
    contrast = not _kept(found, "RNN, tanh") and _kept(found, "LSTM, f = 1")
    untrained = ("LSTM, bias 0", "LSTM, bias 1")
    shown = ("RNN, tanh", "LSTM, f = 1", *untrained, "LSTM, chrono")
    return Claim.judged(
        "A plain recurrent network loses the gradient, and the constant error carousel keeps it.",
        [contrast, *(_kept(found, name) for name in untrained)] if contrast else [False],
        {f"{name}: gradient left after {count(STEPS)} steps": _left(found, name) for name in shown},
        "With the forget gate held at 1 the gradient does not vanish, and the other gates can make it grow.",
        "the forget gate stays near 1",
    )


def _gru_claim(found: Measurements) -> Claim:
    usual = ("GRU, reset after", "GRU, reset before")
    cases = [(name, steps) for name in (*usual, "GRU, chrono") for steps in (100, STEPS)]
    return Claim.judged(
        "The GRU is a simplified LSTM: it keeps a gradient in the same way.",
        [*(_kept(found, name) for name in usual), _kept(found, "GRU, chrono")],
        {
            f"{name}: gradient left after {count(steps)} steps": _left(found, name, steps)
            for name, steps in cases
        },
        "The usual initialisation starts the update gate at about 0.5.",
        "its update gate stays near 1",
    )


def _formula_claim(found: Measurements) -> Claim:
    printed, right = found.errors[AS_PRINTED], found.errors[RIGHT]
    return Claim.judged(
        "The backward formulas for ∇C_t and ∇h_t.",
        [max(printed.h, printed.c) < ROUNDING],
        {
            "error of ∇C_t as printed, as a share of the largest gradient": power(printed.c),
            "error of ∇h_t as printed": power(printed.h),
            "error of ∇C_t as corrected": power(right.c),
            "error of ∇h_t as corrected": power(right.h),
        },
        "There are two misprints. The term o_{t+1} tanh′ W_ho under ∇C_{t+1} should be i_{t+1} tanh′ W_hC, since C̃ "
        "enters through i. The tanh(·) behind W_Ci must go.",
    )


def _diagram_section() -> Section:
    steps = range(1, 5)
    read, given = [f"x_{t}" for t in steps], [[f"h_{t}"] for t in steps]
    c, h = ([f"{state}_{t}" for t in (0, *steps)] for state in "ch")
    plain = unrolled("A plain recurrent network", read, ["tanh"] * 4, given, [h])
    gated = unrolled("An LSTM", read, ["LSTM"] * 4, given, [c, h])
    caption = (
        "The state h of a plain network passes through tanh and a matrix at every step. An LSTM has a second line, c, "
        "which is multiplied by the forget gate and added to. This line is the constant error carousel."
    )
    inside = (
        "One step, drawn from the equations. On the way from c_{t−1} to c_t there is no matrix and no tanh."
    )
    return Section(
        "Unrolled over time",
        "The gradient goes back along the same lines, from right to left.",
        [
            Slider("network", {"RNN": plain, "LSTM": gated}, caption, "LSTM"),
            Figure(cell(CELLS["lstm"].equations, "Inside an LSTM"), inside),
        ],
    )


def _distance_section(found: Measurements) -> Section:
    lines = [
        Line(name, list(left), list(left.values()), f"s{n % 6 + 1}{' dashed' if n > 5 else ''}")
        for n, (name, left) in enumerate(found.by_distance.items())
    ]
    drawn = Chart(
        "Gradient left by distance",
        "Share of the norm of dL/ds at the end that is left k steps earlier, by layer",
        "steps back",
        "share of the gradient left",
        lines,
        log=True,
        y_range=AXIS,
        height=420,
        ticks=8,
    )
    rows = [
        [name, *[power(left[k]) if left[k] > FLOOR else "0" for k in (10, 100, STEPS)]]
        for name, left in found.by_distance.items()
    ]
    table = Table(
        ["", "10 steps", "100 steps", f"{count(STEPS)} steps"],
        rows,
        "Medians over several random initialisations and inputs.",
    )
    kept = [name for name in found.by_distance if _kept(found, name)]
    return Section(
        "Over a thousand steps",
        f"Noise drives untrained layers of {HIDDEN} units. The state of an LSTM is h and c together. The axis goes "
        "down to nearly 10⁻³⁰⁰, where float64 ends.",
        [
            Figure(
                drawn,
                f"These layers keep more than a millionth of the gradient over {count(STEPS)} steps: "
                f"{', '.join(kept) or 'none'}.",
            ),
            table,
        ],
    )


def _bias_section(found: Measurements) -> Section:
    charts = {}
    for bias, measured in found.by_bias.items():
        steps = range(1, len(measured) + 1)
        forget = 1 / (1 + math.exp(-bias))
        charts[f"b = {number(bias, 0)}"] = Chart(
            f"Gradient of the cell state alone, forget bias {number(bias, 0)}",
            f"Each step keeps {forget:.4f}: half is lost in {math.log(2) / -math.log(forget):.1f} steps",
            "steps back",
            "dc(T) / dc(T − k)",
            [
                Line("measured", steps, [max(slope, 1e-30) for slope in measured], "s2"),
                Line("σ(b)ᵏ", steps, [max(forget**k, 1e-30) for k in steps], "s1 dashed"),
            ],
            log=True,
            y_range=(1e-30, 3.0),
            height=250,
        )
    caption = (
        "Without weights each step multiplies the gradient of the cell state by exactly σ(b). A bias of 1 halves it in "
        "about two steps, and a gate of 0.99 in about 69."
    )
    return Section(
        "The effect of the forget bias",
        "All weights of this LSTM are zero, so that the gradient flows through the cell state alone.",
        [Slider("forget bias b", charts, caption, "b = 1")],
    )


def _formula_section(found: Measurements) -> Section:
    rows = [[name, power(errors.c), power(errors.h)] for name, errors in found.errors.items()]
    table = Table(
        ["", "error of ∇C_t", "error of ∇h_t"],
        rows,
        "Largest error over 12 steps, as a share of the largest gradient, of an LSTM with full peepholes in float64.",
    )
    return Section(
        "The backward formulas: printed, corrected, derived",
        "The lecture writes the backward pass of the LSTM with peepholes by hand. Carousel derives it from the forward "
        "equations, as shown at the end of this page. All formulas run on the same weights. Each misprint spoils both "
        "gradients, since each formula uses the result of the other.",
        [
            table,
            Formula("The backward formulas as the lecture prints them", PRINTED),
            Formula("The corrected backward formulas", CORRECTED),
        ],
    )
