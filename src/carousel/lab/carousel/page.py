"""What the page on the constant error carousel says."""

from __future__ import annotations

import math

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.carousel.measure import AS_PRINTED, FLOOR, HIDDEN, RIGHT, STEPS, Measurements
from carousel.lab.figures import slider
from carousel.lab.formulas import cell_formulas
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Formula, Section, Table
from carousel.report.words import count, number, power

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
     + (∇C_{t+1} ∘ C̃_{t+1} ∘ σ′(i)) W_Ci          (without ∘ tanh(·))

∇h_t = ∇z_t ∇_{h_t} z_t
     + (∇C_{t+1} ∘ C_t ∘ σ′(f)) W_hf + (∇C_{t+1} ∘ C̃_{t+1} ∘ σ′(i)) W_hi
     + (∇C_{t+1} ∘ i_{t+1} ∘ tanh′(C̃)) W_hC     (not o and W_ho)
     + (∇h_{t+1} ∘ tanh(C_{t+1}) ∘ σ′(o)) W_ho

σ′ and tanh′: the slope of the gate or candidate named, at t+1; with W_Co at t.
Gradients are rows, multiplied unit by unit before the matrix."""


def findings(found: Measurements) -> Findings:
    """The claims about the LSTM, the GRU and the backward formulas, and the figures behind them."""
    sections = [_distance_section(found), _bias_section(found), _formula_section(found)]
    equations = cell_formulas(
        {"RNN": "rnn-tanh", "LSTM": "lstm", "GRU, reset after": "gru", "GRU, reset before": "gru-before"}
    )
    equations["LSTM, full peepholes, and its derived backward pass"] = formula.text(
        CELLS["lstm-full"].equations, backward=True
    )
    claims = [_lstm_claim(found), _gru_claim(found), _formula_claim(found)]
    return Findings(claims, sections, found.numbers, equations)


def _kept(found: Measurements, name: str) -> bool:
    return found.by_distance[name][-1] > VANISHED


def _left(found: Measurements, name: str, steps: int = STEPS) -> str:
    value = found.by_distance[name][steps - 1]
    return "less than float64 can hold" if value <= FLOOR else power(value)


def _lstm_claim(found: Measurements) -> Claim:
    contrast = not _kept(found, "RNN, tanh") and _kept(found, "LSTM, f = 1")
    return Claim.judged(
        "A plain recurrent network loses the gradient; the constant error carousel keeps it.",
        [contrast, *(_kept(found, name) for name in ("LSTM, bias 0", "LSTM, bias 1"))]
        if contrast
        else [False],
        f"Going back {count(STEPS)} steps, the gradient of the tanh network is multiplied by "
        f"{_left(found, 'RNN, tanh')}. That of an LSTM whose forget gate is held at 1 is multiplied by "
        f"{_left(found, 'LSTM, f = 1')}, since the other gates can make it grow. An untrained LSTM with a forget bias "
        f"of 0 keeps {_left(found, 'LSTM, bias 0')} of the gradient. With a bias of 1 it keeps "
        f"{_left(found, 'LSTM, bias 1')}, and with chrono initialisation {_left(found, 'LSTM, chrono')}.",
        "the forget gate stays near 1",
    )


def _gru_claim(found: Measurements) -> Claim:
    usual = [_kept(found, name) for name in ("GRU, reset after", "GRU, reset before")]
    return Claim.judged(
        "The GRU is a simplified LSTM: it keeps a gradient in the same way.",
        [*usual, _kept(found, "GRU, chrono")],
        f"An untrained GRU keeps {_left(found, 'GRU, reset after', 100)} of the gradient after 100 steps. After "
        f"{count(STEPS)} steps it keeps {_left(found, 'GRU, reset after')}, or {_left(found, 'GRU, reset before')} "
        "with reset before the product. With chrono initialisation of its update gate it keeps "
        f"{_left(found, 'GRU, chrono', 100)} after 100 steps and {_left(found, 'GRU, chrono')} after {count(STEPS)}.",
        "its update gate stays near 1",
    )


def _formula_claim(found: Measurements) -> Claim:
    printed, right = found.errors[AS_PRINTED], found.errors[RIGHT]
    exact = max(right.h, right.c) < ROUNDING
    return Claim.judged(
        "The backward formulas for ∇C_t and ∇h_t.",
        [max(printed.h, printed.c) < ROUNDING],
        f"As printed, ∇C_t is wrong by up to {power(printed.c)} of the largest gradient, and ∇h_t by up to "
        f"{power(printed.h)}. There are two misprints. The term o_{{t+1}} tanh′ W_ho under ∇C_{{t+1}} should be "
        "i_{t+1} tanh′ W_hC, since C̃ enters through i. The tanh(·) behind W_Ci must go. The corrected formulas "
        f"{'agree' if exact else 'still disagree'} with the derived gradients: ∇C_t to {power(right.c)}, ∇h_t to "
        f"{power(right.h)}.",
    )


def _distance_section(found: Measurements) -> Section:
    shown = [1, 2, 3, 5, 7, *range(10, STEPS + 1, 10)]
    lines = [
        Line(name, shown, [left[k - 1] for k in shown], f"s{n % 6 + 1}{' dashed' if n > 5 else ''}")
        for n, (name, left) in enumerate(found.by_distance.items())
    ]
    chart = Chart(
        "Gradient left by distance",
        "Share of the norm of dL/ds at the end that is left k steps earlier, by layer",
        "steps back",
        "share of the gradient left",
        lines,
        log=True,
        y_range=AXIS,
        height=420,
        margin=150,
        ticks=8,
    )
    rows = [
        [name, *[power(left[k - 1]) if left[k - 1] > FLOOR else "0" for k in (10, 100, STEPS)]]
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
                chart,
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
        "about two steps, and a bias of 4.6 (f = 0.99) in about 69 steps."
    )
    return Section(
        "The effect of the forget bias",
        "All weights of this LSTM are zero, so that the gradient flows through the cell state alone.",
        [slider("forget bias b", charts, caption, "b = 1")],
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
        "equations, as shown at the top of this page. All formulas run on the same weights. Each misprint spoils both "
        "gradients, since each formula uses the result of the other.",
        [
            table,
            Formula("The backward formulas as the lecture prints them", PRINTED),
            Formula("The corrected backward formulas", CORRECTED),
        ],
    )
