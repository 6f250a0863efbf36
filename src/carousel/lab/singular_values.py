"""The gradient as a product of weights and Jacobians, taken apart by singular values.

It grows along directions whose singular values are above 1 and shrinks along those below. Here is the whole spectrum of
the product against depth and lag, and how much of the shrinking belongs to the weights and how much to the activations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.diagnosis import observe
from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import LSTM, RNN, Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, power

HIDDEN = 32
LAGS = 40
_FLOOR = 1e-30


@dataclass(frozen=True)
class Product:
    """Singular values of the product of Jacobians by lag, and the parts of its shrinking."""

    values: Tensor  # (lags, n), descending
    weights: list[float]  # mean log singular value of the weights alone, summed over the lags
    activations: list[float]  # the rest: the slopes' part


def run(budget: Budget, progress: Progress) -> Findings:
    """A product along a random tanh net of several gains; the same for an LSTM; directions of growth."""
    gains = [0.8, 1.0, 1.2, 1.5, 2.0]
    products = {}
    for k, gain in enumerate(gains):
        progress(0.6 * k / len(gains), f"tanh, gain {gain:g}")
        products[gain] = tanh_product(gain)
    progress(0.6, "LSTM")
    cells = {bias: lstm_spectrum(bias) for bias in (0.0, 1.0, 3.0)}
    progress(0.8, "directions")
    ahead = directions(budget.choose(20, 200))
    numbers: dict[str, float | Sequence[float]] = {
        "gains": gains,
        "growing directions at lag 10": [float((products[g].values[9] > 1).sum()) for g in gains],
        "largest at lag 40": [float(products[g].values[-1, 0]) for g in gains],
        "typical at lag 40": [_typical(products[g].values[-1]) for g in gains],
        "weights' part at lag 40": [products[g].weights[-1] for g in gains],
        "activations' part at lag 40": [products[g].activations[-1] for g in gains],
        "sum of logs against log det": max(_determinant_error(products[g]) for g in gains),
        "growth along the first singular direction": ahead[0],
        "growth along the last singular direction": ahead[1],
        "growth of random directions": ahead[2],
    }
    sections = [_spectrum_section(products), _parts_section(products), _cells_section(cells)]
    equations = {
        name: formula.text(CELLS[key].equations) for name, key in (("RNN", "rnn-tanh"), ("LSTM", "lstm"))
    }
    return Findings(_claims(products, ahead), sections, numbers, equations)


def tanh_layer(gain: float) -> RNN:
    """Gaussian recurrent weights of variance gain²/n, weak inputs, no bias."""
    generator = torch.Generator().manual_seed(3)
    layer = RNN(4, HIDDEN, bias=False, dtype=torch.float64)
    with torch.no_grad():
        weight = torch.randn(HIDDEN, HIDDEN, generator=generator, dtype=torch.float64)
        layer.get_parameter("weight_hh_l0").copy_(gain * weight / math.sqrt(HIDDEN))
        layer.get_parameter("weight_ih_l0").copy_(
            0.3 * torch.randn(HIDDEN, 4, generator=generator, dtype=torch.float64)
        )
    return layer


def jacobians(layer: Recurrent, steps: int = 2 * LAGS) -> Tensor:
    """ds_t / ds_{t-1} of the full state for the last LAGS of `steps` driven steps: (LAGS, n, n), oldest first."""
    inputs = torch.randn(
        steps, 1, layer.input_size, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )
    [trajectory] = observe(layer, (inputs,), gradients=False).trajectories
    last = slice(steps - LAGS, steps)
    return trajectory.layer.jacobian(trajectory.inputs[last, 0], trajectory.states[last, 0])


def spectrum_by_lag(steps: Tensor) -> Tensor:
    """Singular values of J_T ... J_{T-k+1} for k = 1 ... LAGS: (LAGS, n), descending."""
    product = torch.eye(steps.shape[-1], dtype=steps.dtype)
    rows = []
    for jacobian in steps.flip(0):
        product = product @ jacobian
        rows.append(torch.linalg.svdvals(product))
    return torch.stack(rows)


def tanh_product(gain: float) -> Product:
    """The product of a tanh net, its log volume divided into the weights' and the slopes' part.

    J_t = diag(1 - h_t²) W. The mean log singular value of the product, its log volume over n, is exactly the sum of
    those of its factors, since volumes multiply.
    """
    layer = tanh_layer(gain)
    steps = jacobians(layer)
    weight = layer.get_parameter("weight_hh_l0").detach()
    each = torch.linalg.svdvals(weight).log().mean().item()
    whole = torch.stack([torch.linalg.svdvals(jacobian).log().mean() for jacobian in steps.flip(0)]).cumsum(0)
    lags = torch.arange(1, LAGS + 1, dtype=torch.float64)
    return Product(spectrum_by_lag(steps), (lags * each).tolist(), (whole - lags * each).tolist())


def _determinant_error(product: Product) -> float:
    """Mean log singular value of the product against the sum of its parts, where rounding does not reach (2 lags)."""
    together = product.values[1].log().mean().item()
    return abs(together - product.weights[1] - product.activations[1])


def lstm_spectrum(bias: float) -> Tensor:
    """Singular values by lag of an untrained LSTM with this forget bias, h and c together: (LAGS, 2 HIDDEN)."""
    torch.manual_seed(5)
    layer = LSTM(4, HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        layer.get_parameter("bias_ih_l0")[HIDDEN : 2 * HIDDEN] = bias
        layer.get_parameter("bias_hh_l0")[HIDDEN : 2 * HIDDEN] = 0.0
    return spectrum_by_lag(jacobians(layer))


def directions(count: int, lag: int = 10) -> tuple[float, float, float]:
    """What `lag` steps make of a gradient along the first and the last singular direction, and of random ones.

    A gradient is a row that is multiplied from the left: g J_T ... J_{T-k+1}.
    """
    steps = jacobians(tanh_layer(1.5))
    product = torch.eye(HIDDEN, dtype=torch.float64)
    for jacobian in steps.flip(0)[:lag]:
        product = product @ jacobian
    left, _, _ = torch.linalg.svd(product)
    rows = torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True)
    random = (rows @ product).norm(dim=1).square().mean().sqrt()
    return float((left[:, 0] @ product).norm()), float((left[:, -1] @ product).norm()), float(random)


def _typical(values: Tensor) -> float:
    """The r.m.s. over random directions: ||G||_F / sqrt(n)."""
    return float(values.square().mean().sqrt())


def _claims(products: dict[float, Product], ahead: tuple[float, float, float]) -> list[Claim]:
    grows = {gain: int((product.values[9] > 1).sum()) for gain, product in products.items()}
    counts = ", ".join(f"{grow} of {HIDDEN} at gain {gain:g}" for gain, grow in grows.items())
    one, two = products[1.0], products[2.0]
    never = max(max(product.activations) for product in products.values()) <= 0
    added, taken = two.weights[-1] - one.weights[-1], one.activations[-1] - two.activations[-1]
    back = "more than" if taken > added else "part of"
    return [
        Claim(
            "The gradient expands along directions with singular values above 1 and shrinks along those below.",
            Verdict.CONDITIONAL,
            "the singular values are those of the whole product, not of one weight matrix. Over 10 steps at gain 1.5 a "
            f"gradient along the first singular direction of the product is multiplied by {number(ahead[0], 2)}, along "
            f"the last by {power(ahead[1])}, a random one by {number(ahead[2], 2)}. Directions that grow over 10 "
            f"steps: {counts}.",
        ),
        Claim(
            "The Jacobians of the activations are bounded: they only shrink.",
            Verdict.HOLDS if never else Verdict.FAILS,
            f"tanh′ is at most 1, and its part of the log volume is {'never' if never else 'sometimes'} positive: over "
            f"{LAGS} steps {number(one.activations[-1], 1)} nats a direction at gain 1 and "
            f"{number(two.activations[-1], 1)} at gain 2. The weights' part goes from {number(one.weights[-1], 1)} to "
            f"{number(two.weights[-1], 1)}: larger weights saturate units, and here the activations take back {back} "
            "what the weights add.",
        ),
    ]


def _spectrum_section(products: dict[float, Product]) -> Section:
    lags = list(range(1, LAGS + 1))
    charts = []
    for gain, product in products.items():
        values = product.values.clamp_min(_FLOOR)
        lines = [
            Line("largest", lags, values[:, 0].tolist(), "s2"),
            Line("typical", lags, values.square().mean(1).sqrt().tolist(), "s1"),
            Line("middle", lags, values[:, HIDDEN // 2].tolist(), "s3"),
            Line("smallest", lags, values[:, -1].tolist(), "s6"),
        ]
        charts.append(
            Chart(
                f"Singular values of the product, gain {gain:g}",
                f"At lag {LAGS} from {power(float(values[-1, 0]))} down to {power(float(values[-1, -1]))}",
                "lag: factors in the product",
                "singular value",
                lines,
                log=True,
                levels=[("1", 1.0)],
                y_range=(1e-30, 1e6),
                height=320,
                ticks=7,
            )
        )
    slider = Slider(
        "gain of the weights",
        [f"{gain:g}" for gain in products],
        charts,
        "The product stretches: a few directions live on while most die, the more so the more factors there are. Below "
        "10⁻¹⁵ of the largest, rounding hides the true value.",
        start=1,
    )
    words = f"A tanh network of {HIDDEN} units, driven by weak noise; J_T ⋯ J_{{T−k+1}} for lags k to {LAGS}."
    return Section("The spectrum of the product", words, [slider])


def _parts_section(products: dict[float, Product]) -> Section:
    rows = []
    for gain, p in products.items():
        parts = (p.weights[-1], p.activations[-1], p.weights[-1] + p.activations[-1])
        rows.append([f"gain {gain:g}", *(number(part, 1) for part in parts)])
    caption = f"Mean log singular value over {LAGS} steps, nats a direction."
    table = Table(["", "weights", "activations", "together"], rows, caption)
    lags = list(range(1, LAGS + 1))
    product = products[1.5]
    chart = Chart(
        "Whose shrinking is it? Gain 1.5",
        "Log volume a direction: the weights' part, the activations' part, and their sum",
        "lag",
        "nats a direction",
        [
            Line("weights", lags, product.weights, "s2"),
            Line("activations", lags, product.activations, "s1"),
            Line(
                "together",
                lags,
                [a + b for a, b in zip(product.weights, product.activations, strict=True)],
                "s3",
            ),
        ],
    )
    words = (
        "The mean log singular value of a product is exactly the sum of those of its factors, so the shrinking can be "
        "divided: so much by the weights, so much by the slopes of tanh."
    )
    return Section(
        "Weights' part, activations' part", words, [Figure(chart, "Straight lines: so much a step."), table]
    )


def _cells_section(cells: dict[float, Tensor]) -> Section:
    lags = list(range(1, LAGS + 1))
    charts = []
    for bias, values in cells.items():
        kept = values.clamp_min(_FLOOR)
        lines = [
            Line("largest", lags, kept[:, 0].tolist(), "s2"),
            Line("typical", lags, kept.square().mean(1).sqrt().tolist(), "s1"),
            Line("middle", lags, kept[:, HIDDEN].tolist(), "s3"),
        ]
        charts.append(
            Chart(
                f"LSTM with a forget bias of {bias:g}",
                f"Largest singular value at lag {LAGS}: {power(float(kept[-1, 0]))}",
                "lag",
                "singular value",
                lines,
                log=True,
                levels=[("1", 1.0)],
                y_range=(1e-30, 1e6),
                height=300,
                ticks=7,
            )
        )
    slider = Slider(
        "forget bias",
        [f"{bias:g}" for bias in cells],
        charts,
        "h and c together: half of the directions are the cell's, and the forget gate decides how long they live.",
        start=1,
    )
    return Section("The same for an LSTM", f"Untrained, {HIDDEN} units, {2 * HIDDEN} directions.", [slider])
