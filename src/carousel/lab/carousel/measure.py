"""The constant error carousel: how much of a gradient is left over 1,000 steps.

A plain recurrent network, LSTMs with the forget gate held at 1, with biases of 0 and 1 and with chrono initialisation,
and GRUs are measured before any training. Then the lecture's own backward formulas of the LSTM with full peepholes are
compared with the derived gradient, as printed and corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from carousel.diagnosis import observe
from carousel.lab.experiment import Budget
from carousel.lab.networks import chrono_bias, hold_memory_gate, set_memory_bias, slope, vectors
from carousel.nn import GRU, LSTM, RNN, Recurrent
from carousel.progress import Observer, Progress

STEPS = 1_000
HIDDEN = 32
DISTANCES = (1, 2, 3, 5, 7, *range(10, STEPS + 1, 10))
FLOOR = 1e-300  # where float64 ends
FORGET_BIASES = tuple(float(bias) for bias in range(-2, 9))


@dataclass(frozen=True)
class Measurements:
    """Gradient left by distance and by layer, that of the cell state alone by forget bias, errors of the formulas."""

    by_distance: dict[str, dict[int, float]]  # by layer and distance
    by_bias: dict[float, list[float]] = field(repr=False)
    errors: dict[str, FormulaErrors]


@dataclass(frozen=True)
class FormulaErrors:
    """Largest errors of grad h_t and of grad C_t, as shares of the largest derived gradient of its kind."""

    h: float
    c: float


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Gradients by distance for each layer, the forget bias against theory, the formulas of the lecture."""
    seeds = budget.choose(2, 8)
    by_distance = {}
    for k, (name, make) in enumerate(LAYERS.items()):
        on_progress(Progress(name, 0.8 * k / len(LAYERS)))
        found = torch.tensor([gradient_by_distance(make, seed) for seed in range(seeds)], dtype=torch.float64)
        median = found.quantile(0.5, dim=0).tolist()
        by_distance[name] = {distance: median[distance - 1] for distance in DISTANCES}
    on_progress(Progress("forget biases", 0.8))
    by_bias = {bias: cell_gradient(bias) for bias in FORGET_BIASES}
    on_progress(Progress("the formulas of the lecture", 0.9))
    return Measurements(by_distance, by_bias, formula_errors())


# ---- gradients of untrained layers ----


def _lstm(bias: Tensor, chrono: bool = False) -> LSTM:
    layer = LSTM(4, HIDDEN, dtype=torch.float64)
    set_memory_bias(layer, bias, chrono)
    return layer


def _open_lstm() -> LSTM:
    """The forget gate is 1 for every input: sigmoid(60) is 1 in float64."""
    layer = _lstm(torch.zeros(HIDDEN))
    hold_memory_gate(layer, 60.0)
    return layer


def _chrono_gru() -> GRU:
    """The update gate starts near 1, as the forget gate of an LSTM does by chrono initialisation."""
    layer = GRU(4, HIDDEN, dtype=torch.float64)
    set_memory_bias(layer, chrono_bias(HIDDEN, STEPS), chrono=True)
    return layer


LAYERS: dict[str, Callable[[], Recurrent]] = {
    "RNN, tanh": lambda: RNN(4, HIDDEN, dtype=torch.float64),
    "LSTM, bias 0": lambda: _lstm(torch.zeros(HIDDEN)),
    "LSTM, bias 1": lambda: _lstm(torch.ones(HIDDEN)),
    "LSTM, chrono": lambda: _lstm(chrono_bias(HIDDEN, STEPS), chrono=True),
    "LSTM, f = 1": _open_lstm,
    "GRU, reset after": lambda: GRU(4, HIDDEN, dtype=torch.float64),
    "GRU, reset before": lambda: GRU(4, HIDDEN, reset="before", dtype=torch.float64),
    "GRU, chrono": _chrono_gru,
}


def gradient_by_distance(make: Callable[[], Recurrent], seed: int, steps: int = STEPS) -> list[float]:
    """||dL/ds_{T-k}|| / ||dL/ds_T|| for k = 1 ... steps, where s is the full state and L a random direction of it.

    The full state of an LSTM is h and c together.
    """
    torch.manual_seed(seed)
    layer = make()
    inputs = torch.randn(steps, 1, 4, dtype=torch.float64)

    def loss(outputs: tuple[Tensor, Tensor | tuple[Tensor, ...]]) -> Tensor:
        last = outputs[1] if isinstance(outputs[1], tuple) else (outputs[1],)
        return torch.stack([(state * torch.randn_like(state)).sum() for state in last]).sum()

    [trajectory] = observe(layer, (inputs,), loss).trajectories
    assert trajectory.gradient is not None
    norms = trajectory.gradient.log[:, 0]
    return [max(math.exp(each - norms[-1]), FLOOR) for each in norms[:-1].flip(0).tolist()]


def cell_gradient(bias: float, steps: int = 200) -> list[float]:
    """dc_T / dc_{T-k} for k = 1 ... steps of an LSTM without weights; in theory it is sigmoid(bias)^k."""
    layer = _lstm(torch.full((HIDDEN,), bias))
    with torch.no_grad():
        layer.get_parameter("weight_ih_l0").zero_()
        layer.get_parameter("weight_hh_l0").zero_()
    h = torch.zeros(1, 1, HIDDEN, dtype=torch.float64)
    inputs = torch.zeros(steps + 1, 1, 4, dtype=torch.float64)
    with layer.recording() as recorded:
        _, (_, last) = layer(inputs, (h, h))
        last[0, 0, 0].backward()
    return recorded[0].gradients["c"][:-1, 0, 0].flip(0).tolist()


# ---- the lecture's backward formulas ----

AS_PRINTED, WRONG_C, WRONG_H, RIGHT = (
    "the formulas as printed",
    "only the factor behind W_Ci",
    "only o and W_ho in place of i and W_hC",
    "the formulas corrected",
)
Gradients: TypeAlias = tuple[Tensor, Tensor]  # of h and of C, (T, 1, H) each


def formula_errors(steps: int = 12) -> dict[str, FormulaErrors]:
    """Errors of the lecture's recursion against the derived gradients, by the misprints that it keeps.

    The cell is the LSTM with full peepholes, and Div = sum_t |W_z h_t - target_t|^2 / 2.
    """
    torch.manual_seed(4)
    layer = LSTM(3, 5, peephole="full", dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    w_z = torch.randn(4, 5, dtype=torch.float64)
    x, target = torch.randn(steps, 1, 3, dtype=torch.float64), torch.randn(steps, 1, 4, dtype=torch.float64)
    derived = derived_gradients(layer, x, target, w_z)
    misprints = {
        AS_PRINTED: (True, True),
        WRONG_C: (True, False),
        WRONG_H: (False, True),
        RIGHT: (False, False),
    }
    found = {name: lecture_gradients(layer, x, target, w_z, *kept) for name, kept in misprints.items()}
    return {name: FormulaErrors(*map(_largest_error, each, derived)) for name, each in found.items()}


def _largest_error(found: Tensor, true: Tensor) -> float:
    return float((found - true).abs().max() / true.abs().max())


def derived_gradients(layer: LSTM, x: Tensor, target: Tensor, w_z: Tensor) -> Gradients:
    """dDiv/dh_t and dDiv/dC_t by the backward pass that Carousel derives from the equations of the cell."""
    with layer.recording() as recorded:
        hs, _ = layer(x)
        ((hs @ w_z.T - target).square().sum() / 2).backward()
    return recorded[0].gradients["h"], recorded[0].gradients["c"]


def lecture_gradients(
    layer: LSTM, x: Tensor, target: Tensor, w_z: Tensor, wrong_c: bool, wrong_h: bool
) -> Gradients:
    """grad h_t and grad C_t by the recursion of the lecture.

    `wrong_c` and `wrong_h` keep the misprint in the formula of grad C_t and of grad h_t. The slide names no argument
    of the tanh(·) behind W_Ci; it is read as tanh(C_t).
    """
    values = vectors(layer, x)
    i, f, g, c, o, h = (values[name] for name in "ifgcoh")  # g is the lecture's C~
    w_h = dict(zip("ifgo", layer.get_parameter("weight_hh_l0").detach().chunk(4), strict=True))
    w_c = dict(zip("ifo", layer.get_parameter("weight_ch_l0").detach().chunk(3), strict=True))
    grad_h, grad_c = torch.zeros_like(h), torch.zeros_like(c)
    for t in reversed(range(len(x))):
        grad_h[t] = (h[t] @ w_z.T - target[t]) @ w_z
        if t + 1 < len(x):
            to_c, to_h = grad_c[t + 1], grad_h[t + 1]
            grad_h[t] += (to_c * c[t] * slope("sigmoid", f[t + 1])) @ w_h["f"]
            grad_h[t] += (to_c * g[t + 1] * slope("sigmoid", i[t + 1])) @ w_h["i"]
            gate, weight = (o, w_h["o"]) if wrong_h else (i, w_h["g"])
            grad_h[t] += (to_c * gate[t + 1] * (1 - g[t + 1] ** 2)) @ weight
            grad_h[t] += (to_h * c[t + 1].tanh() * slope("sigmoid", o[t + 1])) @ w_h["o"]
        grad_c[t] = (
            grad_h[t] * o[t] * (1 - c[t].tanh() ** 2)
            + (grad_h[t] * c[t].tanh() * slope("sigmoid", o[t])) @ w_c["o"]
        )
        if t + 1 < len(x):
            through_i = (to_c * g[t + 1] * slope("sigmoid", i[t + 1])) @ w_c["i"]
            grad_c[t] += to_c * f[t + 1] + (to_c * c[t] * slope("sigmoid", f[t + 1])) @ w_c["f"]
            grad_c[t] += through_i * c[t].tanh() if wrong_c else through_i
    return grad_h, grad_c
