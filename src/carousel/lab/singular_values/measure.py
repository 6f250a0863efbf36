"""The gradient as a product of weights and Jacobians, and the singular values of that product.

The whole spectrum of the product is measured against lag and depth. The log volume of the product is divided into the
part of the weights and the part of the activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.diagnosis import observe
from carousel.lab.experiment import Budget
from carousel.lab.networks import memory_gate, rnn
from carousel.nn import LSTM, RNN, Recurrent
from carousel.progress import Observer, Progress

HIDDEN = 32
LAGS = 40
GAINS = (0.8, 1.0, 1.2, 1.5, 2.0)
FORGET_BIASES = (0.0, 1.0, 3.0)
DEPTH = 20
WIDTH = 64
DEEP: dict[str, Callable[[Tensor], Tensor]] = {
    "ELU": F.elu,
    "ReLU": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


@dataclass(frozen=True)
class Product:
    """Singular values of a product of Jacobians by lag, and its mean log singular value in two parts, in nats."""

    values: Tensor = field(repr=False)  # (lags, n), descending
    growing: int  # directions that grow over ten steps
    weights: list[float]  # by lag
    activations: list[float]


@dataclass(frozen=True)
class Measurements:
    """Tanh networks by gain, LSTMs by forget bias, deep networks by activation, and growth along directions."""

    products: dict[float, Product]
    lstms: dict[float, Tensor] = field(repr=False)  # singular values by lag
    deep: dict[str, Tensor] = field(repr=False)  # singular values by number of layers
    growth: dict[str, float]  # of a gradient over ten steps, by direction


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """The products of tanh networks, LSTMs and deep networks, and the growth along directions."""
    products = {}
    for k, gain in enumerate(GAINS):
        on_progress(Progress(f"tanh, gain {gain:g}", 0.6 * k / len(GAINS)))
        products[gain] = tanh_product(gain)
    on_progress(Progress("LSTM", 0.6))
    lstms = {bias: lstm_spectrum(bias) for bias in FORGET_BIASES}
    on_progress(Progress("deep networks", 0.7))
    deep = {name: deep_spectrum(name) for name in DEEP}
    on_progress(Progress("directions", 0.8))
    return Measurements(products, lstms, deep, directional_growth(budget.choose(20, 200)))


def tanh_layer(gain: float) -> RNN:
    """Gaussian recurrent weights of variance gain²/n, weak inputs, no bias."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(HIDDEN, HIDDEN, generator=generator, dtype=torch.float64)
    weight_x = 0.3 * torch.randn(HIDDEN, 4, generator=generator, dtype=torch.float64)
    return rnn("tanh", gain * weight / math.sqrt(HIDDEN), weight_x)


def jacobians(layer: Recurrent, steps: int = 2 * LAGS) -> Tensor:
    """ds_t / ds_{t-1} of the full state for the last LAGS of `steps` driven steps: (LAGS, n, n), oldest first."""
    inputs = torch.randn(
        steps, 1, layer.input_size, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )
    [trajectory] = observe(layer, (inputs,), gradients=False).trajectories
    last = slice(steps - LAGS, steps)
    return trajectory.layer.jacobian(trajectory.inputs[last, 0], trajectory.states[last, 0])


def spectrum_by_lag(steps: Tensor) -> Tensor:
    """Singular values of the last k of these Jacobians (T, n, n), multiplied, for k = 1 ... T: (T, n), descending."""
    product = torch.eye(steps.shape[-1], dtype=steps.dtype)
    rows = []
    for jacobian in steps.flip(0):
        product = product @ jacobian
        rows.append(torch.linalg.svdvals(product))
    return torch.stack(rows)


def tanh_product(gain: float) -> Product:
    """The product of a tanh network, its log volume divided into the parts of weights and slopes.

    J_t = diag(1 - h_t²) W. Volumes multiply, so that the mean log singular value of the product is exactly the sum of
    those of its factors.
    """
    layer = tanh_layer(gain)
    steps = jacobians(layer)
    weight = layer.get_parameter("weight_hh_l0").detach()
    each = torch.linalg.svdvals(weight).log().mean().item()
    whole = torch.stack([torch.linalg.svdvals(jacobian).log().mean() for jacobian in steps.flip(0)]).cumsum(0)
    lags = torch.arange(1, LAGS + 1, dtype=torch.float64)
    values = spectrum_by_lag(steps)
    growing = int((values[9] > 1).sum())
    return Product(values, growing, (lags * each).tolist(), (whole - lags * each).tolist())


def lstm_spectrum(bias: float) -> Tensor:
    """Singular values by lag of an untrained LSTM with this forget bias, h and c together: (LAGS, 2 HIDDEN)."""
    torch.manual_seed(5)
    layer = LSTM(4, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("bias_ih_l0")[memory_gate(layer)] = bias
        layer.get_parameter("bias_hh_l0")[memory_gate(layer)] = 0.0
    return spectrum_by_lag(jacobians(layer))


def deep_spectrum(activation: str) -> Tensor:
    """Singular values of the product of Jacobians through the last k layers of a random network: (DEPTH, WIDTH).

    Weights are Gaussian with variance 2/n for ReLU and 1/n for the others. The Jacobian of a layer at one random input
    is diag(f'(z)) W.
    """
    generator = torch.Generator().manual_seed(8)
    scale = math.sqrt((2 if activation == "ReLU" else 1) / WIDTH)
    y, layers = torch.randn(WIDTH, generator=generator, dtype=torch.float64), list[Tensor]()
    for _ in range(DEPTH):
        weight = scale * torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
        z = (weight @ y).requires_grad_()
        y = DEEP[activation](z)
        [slope] = torch.autograd.grad(y.sum(), z)
        layers.append(slope[:, None] * weight)
        y = y.detach()
    return spectrum_by_lag(torch.stack(layers))


def directional_growth(count: int, lag: int = 10) -> dict[str, float]:
    """Growth over `lag` steps of a gradient along the "first" and the "last" singular direction, and "random" ones.

    A gradient is a row that is multiplied from the left: g J_T ... J_{T-k+1}. The last singular value is the inverse of
    the first one of the inverse product, which rounding does not hide.
    """
    steps = jacobians(tanh_layer(1.5))
    product, inverse = torch.eye(HIDDEN, dtype=torch.float64), torch.eye(HIDDEN, dtype=torch.float64)
    for jacobian in steps.flip(0)[:lag]:
        product = product @ jacobian
        inverse = torch.linalg.solve(jacobian, inverse)
    left, _, _ = torch.linalg.svd(product)
    rows = torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True)
    random = (rows @ product).norm(dim=1).square().mean().sqrt()
    last = 1 / torch.linalg.matrix_norm(inverse, ord=2)
    return {"first": float((left[:, 0] @ product).norm()), "last": float(last), "random": float(random)}
