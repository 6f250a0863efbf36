"""The constant error carousel: how much of a gradient comes back over 1,000 steps.

A plain recurrent net, LSTMs with the forget gate fixed at 1, with biases of 0 and 1 and with chrono initialisation,
and the GRU, all as they start, before any training. Then the lecture's own backward formulas of the LSTM with full
peepholes, as printed and corrected, beside the gradient that is derived.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import GRU, LSTM, RNN, Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Formula, Section, Slider, Table, Verdict
from carousel.report.words import count, number, power

STEPS = 1_000
HIDDEN = 32
FLOOR = 1e-300  # where float64 ends
AXIS = (1e-299, 1e20)  # down to the floor, in eight steps of forty decades
VANISHED = 1e-6  # of the gradient at the end: less is lost
ROUNDING = 1e-12  # float64 over a few steps


def run(budget: Budget, progress: Progress) -> Findings:
    """Gradients by distance for each start, the forget bias against theory, the lecture's formulas."""
    layers = _layers()
    curves: dict[str, list[float]] = {}
    seeds = budget.choose(2, 8)
    for k, (name, make) in enumerate(layers.items()):
        progress(0.8 * k / len(layers), name)
        curves[name] = _median([gradient_by_distance(make, seed) for seed in range(seeds)])
    progress(0.8, "forget biases")
    biases = [float(b) for b in range(-2, 9)]
    against = {bias: carousel_alone(bias) for bias in biases}
    progress(0.9, "the lecture's formulas")
    formulas = lecture_errors()
    numbers: dict[str, float | Sequence[float]] = {
        f"{name}: gradient kept after 1000": curve[-1] for name, curve in curves.items()
    }
    numbers |= {f"{name}: gradient kept after 100": curve[99] for name, curve in curves.items()}
    numbers["biases"] = biases
    numbers["gradient kept after 100 by bias"] = [against[bias][99] for bias in biases]
    for name, (off_h, off_c) in formulas.items():
        numbers[f"error of grad h, {name}"], numbers[f"error of grad C, {name}"] = off_h, off_c
    sections = [_curves_section(curves), _bias_section(against), _formula_section(formulas)]
    drawn = {"RNN": "rnn-tanh", "LSTM": "lstm", "GRU, reset after": "gru", "GRU, reset before": "gru-before"}
    equations = {name: formula.text(CELLS[cell].equations) for name, cell in drawn.items()}
    equations["LSTM, full peepholes, and its backward pass, as derived"] = formula.text(
        CELLS["lstm-full"].equations, backward=True
    )
    return Findings(_claims(curves, formulas), sections, numbers, equations)


# ---- the layers, as they start ----


def _layers() -> dict[str, Callable[[], Recurrent]]:
    return {
        "RNN, tanh": lambda: RNN(4, HIDDEN, dtype=torch.float64),
        "LSTM, bias 0": lambda: _lstm(torch.zeros(HIDDEN)),
        "LSTM, bias 1": lambda: _lstm(torch.ones(HIDDEN)),
        "LSTM, chrono": lambda: _lstm(torch.log(1 + (STEPS - 2) * torch.rand(HIDDEN))),
        "LSTM, f = 1": _open_lstm,
        "GRU, reset after": lambda: GRU(4, HIDDEN, dtype=torch.float64),
        "GRU, reset before": lambda: GRU(4, HIDDEN, reset="before", dtype=torch.float64),
        "GRU, chrono": _chrono_gru,
    }


def _lstm(forget_bias: Tensor) -> Recurrent:
    """An LSTM that starts with this bias in its forget gate, and its opposite in the input gate where it is large.

    Chrono initialisation (Tallec & Ollivier 2018) draws b_f = ln u, u uniform in [1, T_max - 1], and b_i = -b_f.
    """
    layer = LSTM(4, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("bias_hh_l0").zero_()
        bias = layer.get_parameter("bias_ih_l0").zero_()
        bias[HIDDEN : 2 * HIDDEN] = forget_bias
        if float(forget_bias.std()) > 0:
            bias[:HIDDEN] = -forget_bias
    return layer


def _open_lstm() -> Recurrent:
    """Forget gate at 1 for every input: no weights, a bias of 60 (sigmoid(60) is 1 in float64)."""
    layer = _lstm(torch.full((HIDDEN,), 60.0))
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0"):
            layer.get_parameter(name)[HIDDEN : 2 * HIDDEN] = 0.0
    return layer


def _chrono_gru() -> Recurrent:
    """A GRU whose update gate starts near 1 as an LSTM's forget gate does: b_z = ln u, u uniform in [1, T_max - 1]."""
    layer = GRU(4, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("bias_hh_l0").zero_()
        bias = layer.get_parameter("bias_ih_l0").zero_()
        bias[HIDDEN : 2 * HIDDEN] = torch.log(1 + (STEPS - 2) * torch.rand(HIDDEN))
    return layer


def gradient_by_distance(make: Callable[[], Recurrent], seed: int, steps: int = STEPS) -> list[float]:
    """||dL/ds_{T-k}|| / ||dL/ds_T|| for k = 1 ... steps; s is the full state, h and c together, L a random direction.

    The layer runs step by step, so that the state at each step is a tensor with a gradient of its own.
    """
    torch.manual_seed(seed)
    layer = make()
    inputs = torch.randn(steps, 1, 1, 4, dtype=torch.float64)
    state: tuple[Tensor, ...] = tuple(torch.zeros(1, 1, HIDDEN, dtype=torch.float64) for _ in _states(layer))
    kept: list[tuple[Tensor, ...]] = []
    for x in (None, *inputs):
        if x is not None:
            _, after = layer(x, state if len(state) > 1 else state[0])
            state = after if isinstance(after, tuple) else (after,)
        for part in state:
            part.requires_grad_() if part.is_leaf else part.retain_grad()
        kept.append(state)
    torch.stack([(part * torch.randn_like(part)).sum() for part in state]).sum().backward()
    # hypot scales before it squares: of numbers below 1e-162 nothing would be left
    norms = [
        math.hypot(*(value for part in parts for value in _gradient(part).flatten().tolist()))
        for parts in kept
    ]
    return [max(norm / norms[-1], FLOOR) for norm in norms[-2::-1]]


def _states(layer: Recurrent) -> tuple[str, ...]:
    return ("h", "c") if isinstance(layer, LSTM) else ("h",)


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _median(curves: list[list[float]]) -> list[float]:
    return torch.tensor(curves, dtype=torch.float64).quantile(0.5, dim=0).tolist()


def carousel_alone(bias: float, steps: int = 200) -> list[float]:
    """dc_T / dc_{T-k} for k = 1 ... steps of an LSTM without weights: theory says sigmoid(b)^k."""
    layer = _lstm(torch.full((HIDDEN,), bias))
    with torch.no_grad():
        layer.get_parameter("weight_ih_l0").zero_()
        layer.get_parameter("weight_hh_l0").zero_()
    first = torch.zeros(1, 1, HIDDEN, dtype=torch.float64)
    inputs = torch.zeros(steps, 1, 4, dtype=torch.float64)
    slopes = []
    for length in range(1, steps + 1):
        cell = torch.zeros(1, 1, HIDDEN, dtype=torch.float64, requires_grad=True)
        _, (_, last) = layer(inputs[:length], (first, cell))
        slopes.append(float(torch.autograd.grad(last[0, 0, 0], cell)[0][0, 0, 0]))
    return slopes


# ---- the lecture's backward formulas ----

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
AS_PRINTED, WRONG_C, WRONG_H, RIGHT = (
    "the formulas as printed",
    "only the factor behind W_Ci",
    "only o and W_ho in place of i and W_hC",
    "the formulas corrected",
)
Gradients = tuple[Tensor, Tensor]  # of h and of C, (T, 1, H) each


def lecture_errors(steps: int = 12) -> dict[str, tuple[float, float]]:
    """Largest errors of the lecture's (grad h_t, grad C_t) against the derived ones, by which misprints are kept.

    Each is a share of the largest derived gradient of its kind. The cell is the LSTM with full peepholes;
    Div = sum_t |W_z h_t - target_t|^2 / 2.
    """
    torch.manual_seed(4)
    layer = LSTM(3, 5, peephole="full", dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    w_z = torch.randn(4, 5, dtype=torch.float64)
    x, target = torch.randn(steps, 1, 3, dtype=torch.float64), torch.randn(steps, 1, 4, dtype=torch.float64)
    derived = derived_gradients(layer, x, target, w_z)
    errors = {}
    for name, wrong_c, wrong_h in (
        (AS_PRINTED, True, True),
        (WRONG_C, True, False),
        (WRONG_H, False, True),
        (RIGHT, False, False),
    ):
        found = lecture_gradients(layer, x, target, w_z, wrong_c, wrong_h)
        off_h, off_c = (_off(mine, true) for mine, true in zip(found, derived, strict=True))
        errors[name] = off_h, off_c
    return errors


def _off(found: Tensor, true: Tensor) -> float:
    return float((found - true).abs().max() / true.abs().max())


def derived_gradients(layer: LSTM, x: Tensor, target: Tensor, w_z: Tensor) -> Gradients:
    """dDiv/dh_t and dDiv/dC_t, as the backward pass that Carousel derived from the cell's equations finds them."""
    with layer.recording() as recorded:
        hs, _ = layer(x)
        ((hs @ w_z.T - target).square().sum() / 2).backward()
    return recorded[0].gradients["h"], recorded[0].gradients["c"]


def lecture_gradients(
    layer: LSTM, x: Tensor, target: Tensor, w_z: Tensor, wrong_c: bool, wrong_h: bool
) -> Gradients:
    """grad h_t and grad C_t by the lecture's recursion.

    `wrong_c` and `wrong_h` keep the misprint in the formula of grad C_t and of grad h_t. The tanh(·) behind W_Ci, for
    which the slide names no argument, is read as tanh(C_t).
    """
    with torch.no_grad():
        values = layer.trace(x)[0].values
    i, f, g, c, o, h = (values[name] for name in "ifgcoh")  # g is the lecture's C~
    size = layer.hidden_size
    rows = {"i": 0, "f": 1, "g": 2, "o": 3}
    w_h = {
        gate: layer.get_parameter("weight_hh_l0")[k * size : (k + 1) * size].detach()
        for gate, k in rows.items()
    }
    w_c = {
        gate: layer.get_parameter("weight_ch_l0")[k * size : (k + 1) * size].detach()
        for k, gate in enumerate("ifo")
    }
    grad_h, grad_c = torch.zeros_like(h), torch.zeros_like(c)
    for t in reversed(range(len(x))):
        grad_h[t] = (h[t] @ w_z.T - target[t]) @ w_z
        if t + 1 < len(x):
            to_c, to_h = grad_c[t + 1], grad_h[t + 1]
            grad_h[t] += (to_c * c[t] * _slope(f[t + 1])) @ w_h["f"]
            grad_h[t] += (to_c * g[t + 1] * _slope(i[t + 1])) @ w_h["i"]
            gate, weight = (o, w_h["o"]) if wrong_h else (i, w_h["g"])
            grad_h[t] += (to_c * gate[t + 1] * (1 - g[t + 1] ** 2)) @ weight
            grad_h[t] += (to_h * c[t + 1].tanh() * _slope(o[t + 1])) @ w_h["o"]
        grad_c[t] = (
            grad_h[t] * o[t] * (1 - c[t].tanh() ** 2) + (grad_h[t] * c[t].tanh() * _slope(o[t])) @ w_c["o"]
        )
        if t + 1 < len(x):
            through_i = (to_c * g[t + 1] * _slope(i[t + 1])) @ w_c["i"]
            grad_c[t] += to_c * f[t + 1] + (to_c * c[t] * _slope(f[t + 1])) @ w_c["f"]
            grad_c[t] += through_i * c[t].tanh() if wrong_c else through_i
    return grad_h, grad_c


def _slope(gate: Tensor) -> Tensor:
    return gate * (1 - gate)


# ---- what the page says ----


def _claims(curves: dict[str, list[float]], formulas: dict[str, tuple[float, float]]) -> list[Claim]:
    def after(name: str, steps: int = STEPS) -> str:
        value = curves[name][steps - 1]
        return "less than float64 can hold" if value <= FLOOR else power(value)

    lost, kept = curves["RNN, tanh"][-1] < VANISHED, curves["LSTM, f = 1"][-1] > VANISHED
    closed = [name for name in ("LSTM, bias 0", "LSTM, bias 1") if curves[name][-1] < VANISHED]
    gru = min(curves[name][-1] for name in ("GRU, reset after", "GRU, reset before")) > VANISHED
    held = curves["GRU, chrono"][-1] > VANISHED
    exact = max(formulas[RIGHT]) < ROUNDING
    wrong_h, wrong_c = formulas[AS_PRINTED]
    return [
        Claim(
            "A plain recurrent net loses the gradient; the constant error carousel keeps it.",
            Verdict.FAILS if not (lost and kept) else Verdict.CONDITIONAL if closed else Verdict.HOLDS,
            f"{'the forget gate stays near 1. ' if lost and kept and closed else ''}Of a gradient, {count(STEPS)} "
            f"steps back the tanh net has {after('RNN, tanh')} left, an LSTM with f = 1 has {after('LSTM, f = 1')} "
            "times as much (what returns through the other gates can make it grow). As they start, LSTMs have: with a "
            f"forget bias of 0 {after('LSTM, bias 0')}, with a bias of one {after('LSTM, bias 1')}, with chrono "
            f"initialisation {after('LSTM, chrono')}.",
        ),
        Claim(
            "The GRU is a simplified LSTM: it keeps a gradient in the same way.",
            Verdict.HOLDS if gru else Verdict.CONDITIONAL if held else Verdict.FAILS,
            f"{'its update gate stays near 1. ' if held and not gru else ''}As it usually starts, it has "
            f"{after('GRU, reset after', 100)} left after 100 steps, and after {count(STEPS)} "
            f"{after('GRU, reset after')} (reset before: {after('GRU, reset before')}). With the biases of chrono "
            f"initialisation in its update gate it has {after('GRU, chrono', 100)} and {after('GRU, chrono')}.",
        ),
        Claim(
            "The backward formulas for ∇C_t and ∇h_t.",
            Verdict.HOLDS if max(wrong_h, wrong_c) < ROUNDING else Verdict.FAILS,
            f"As printed, ∇C_t is off by up to {power(wrong_c)} and ∇h_t by up to {power(wrong_h)} of the largest. "
            "Two misprints: o_{t+1} tanh′ W_ho under ∇C_{t+1} should be i_{t+1} tanh′ W_hC, since C̃ enters through "
            f"i; and the tanh(·) behind W_Ci does not belong. Corrected, they {'agree' if exact else 'still disagree'} "
            f"with the derived gradients: ∇C_t to {power(formulas[RIGHT][1])}, ∇h_t to {power(formulas[RIGHT][0])}.",
        ),
    ]


def _curves_section(curves: dict[str, list[float]]) -> Section:
    shown = [1, 2, 3, 5, 7, *range(10, STEPS + 1, 10)]
    lines = [
        Line(
            name,
            shown,
            [curve[k - 1] for k in shown],
            f"s{k % 6 + 1}{' dashed' if k > 5 else ''}",
        )
        for k, (name, curve) in enumerate(curves.items())
    ]
    chart = Chart(
        "Gradient left by distance",
        "Share of the norm of dL/ds at the end that is left k steps earlier, by cell and start",
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
        [name, *[power(curve[k - 1]) if curve[k - 1] > FLOOR else "0" for k in (10, 100, STEPS)]]
        for name, curve in curves.items()
    ]
    table = Table(
        ["", "10 steps", "100 steps", f"{count(STEPS)} steps"],
        rows,
        "Medians over several random starts and inputs.",
    )
    words = (
        f"Layers of {HIDDEN} units, untrained, driven by noise. The state is h and c together. The axis goes down "
        "to nearly 10⁻³⁰⁰, where float64 ends."
    )
    alive = [name for name, curve in curves.items() if curve[-1] > VANISHED]
    caption = f"What still has a millionth of it after {count(STEPS)} steps: {', '.join(alive) or 'none'}."
    return Section("Over a thousand steps", words, [Figure(chart, caption), table])


def _bias_section(against: dict[float, list[float]]) -> Section:
    charts = []
    for bias, measured in against.items():
        steps = list(range(1, len(measured) + 1))
        forget = 1 / (1 + math.exp(-bias))
        theory = [max(forget**k, 1e-30) for k in steps]
        charts.append(
            Chart(
                f"The carousel alone, forget bias {number(bias, 0)}",
                f"Each step keeps {forget:.4f}: half is lost in {math.log(2) / -math.log(forget):.1f} steps",
                "steps back",
                "dc(T) / dc(T − k)",
                [
                    Line("measured", steps, [max(slope, 1e-30) for slope in measured], "s2"),
                    Line("σ(b)ᵏ", steps, theory, "s1 dashed"),
                ],
                log=True,
                y_range=(1e-30, 3.0),
                height=250,
            )
        )
    slider = Slider(
        "forget bias b",
        [f"b = {number(bias, 0)}" for bias in against],
        charts,
        "Without weights the gradient of the cell is σ(b) a step, exactly: a bias of 1 halves it in about two steps, "
        "one of 4.6 (f = 0.99) in about 69.",
        start=3,
    )
    return Section(
        "What a forget bias buys", "An LSTM whose weights are all zero: only the carousel is left.", [slider]
    )


def _formula_section(formulas: dict[str, tuple[float, float]]) -> Section:
    rows = [[name, power(off_c), power(off_h)] for name, (off_h, off_c) in formulas.items()]
    table = Table(
        ["", "error of ∇C_t", "error of ∇h_t"],
        rows,
        "Largest error over 12 steps, as a share of the largest gradient; LSTM with full peepholes, float64.",
    )
    lecture = [
        Formula("The lecture's backward formulas, as printed", PRINTED),
        Formula("The same, corrected", CORRECTED),
    ]
    words = (
        "The lecture writes the backward pass of the LSTM with peepholes by hand. Carousel derives it from the "
        "forward equations, at the top of this page; here all run on the same weights. Each misprint spoils both "
        "gradients, since each formula feeds the other."
    )
    return Section("The backward formulas: printed, corrected, derived", words, [table, *lecture])
