"""The gradient as a product of weights and Jacobians, taken apart by singular values.

It grows along directions whose singular values are above 1 and shrinks along those below. Here is the whole spectrum of
the product against depth and lag, and how much of the shrinking belongs to the weights and how much to the activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.diagnosis import observe
from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.lab.formulas import Layers, written
from carousel.nn import LSTM, RNN, Recurrent
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, power

HIDDEN = 32
LAGS = 40
_Function = Callable[[Tensor], Tensor]
DEPTH = 20
WIDTH = 64
DEEP: dict[str, tuple[_Function, _Function]] = {  # what follows each layer, and its slope
    "ELU": (F.elu, lambda z: torch.where(z > 0, 1.0, z.exp())),
    "ReLU": (F.relu, lambda z: (z > 0).double()),
    "sigmoid": (torch.sigmoid, lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z))),
    "tanh": (torch.tanh, lambda z: 1 - z.tanh() ** 2),
}
FLOOR = 1e-16  # of float64: what is smaller beside values near 1 is rounding


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
    progress(0.7, "deep nets")
    deep = {name: deep_spectrum(name) for name in DEEP}
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
        "deep activations' growing directions after 10 layers": [
            float((values[9] > 1).sum()) for values in deep.values()
        ],
        "deep typical after 20 layers": [_typical(values[-1]) for values in deep.values()],
        "growth along the first singular direction": ahead[0],
        "growth along the last singular direction": ahead[1],
        "growth of random directions": ahead[2],
    }
    sections = [
        _spectrum_section(products),
        _parts_section(products),
        _depth_section(deep),
        _cells_section(cells),
    ]
    equations = {
        "RNN, and the factor by which a gradient goes back one step": formula.text(
            CELLS["rnn-tanh"].equations, backward=True
        ),
        "LSTM": formula.text(CELLS["lstm"].equations),
        "The product through three layers: ∂y0 from ∂y3": written(Layers("tanh"), True, weights=False),
    }
    equations |= {
        f"The same for {name}": written(Layers(name), True, weights=False) for name in DEEP if name != "tanh"
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
    """Singular values of the last k of these Jacobians (T, n, n), multiplied, for k = 1 ... T: (T, n), descending."""
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


def deep_spectrum(activation: str) -> Tensor:
    """Singular values of the product of Jacobians through the last k layers of a random deep net: (DEPTH, WIDTH).

    Weights are Gaussian with variance 2/n for ReLU and 1/n for the others; a layer's Jacobian is diag(f'(z)) W, here at
    one random input.
    """
    function, slope = DEEP[activation]
    generator = torch.Generator().manual_seed(8)
    scale = math.sqrt((2 if activation == "ReLU" else 1) / WIDTH)
    y, layers = torch.randn(WIDTH, generator=generator, dtype=torch.float64), []
    for _ in range(DEPTH):
        weight = scale * torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
        z = weight @ y
        layers.append(slope(z)[:, None] * weight)
        y = function(z)
    return spectrum_by_lag(torch.stack(layers))


def directions(count: int, lag: int = 10) -> tuple[float, float, float]:
    """What `lag` steps make of a gradient along the first and the last singular direction, and of random ones.

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
    return float((left[:, 0] @ product).norm()), float(last), float(random)


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
            Verdict.CONDITIONAL if ahead[0] > 1 > ahead[1] else Verdict.FAILS,
            "the singular values are those of the whole product, not of one weight matrix. Over 10 steps at gain 1.5 a "
            f"gradient along the first singular direction of the product is multiplied by {number(ahead[0], 2)}, along "
            f"the last by {power(ahead[1])} (by the inverse product), a random one by {number(ahead[2], 2)}. "
            f"Directions that grow over 10 steps: {counts}.",
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
    charts = []
    for gain, product in products.items():
        growing = int((product.values[-1] > 1).sum())
        charts.append(
            _spectrum_chart(
                f"All {HIDDEN} singular values of the product, gain {gain:g}",
                f"At lag {LAGS} {growing} are above 1, the largest {power(float(product.values[-1, 0]))}",
                "lag: factors in the product",
                product.values,
            )
        )
    slider = Slider(
        "gain of the weights",
        [f"{gain:g}" for gain in products],
        charts,
        "Every line is a direction. The product stretches: a few live on while most die, the more so the more factors "
        "there are. What is below 10⁻¹⁶, where rounding hides it, lies on the floor.",
        start=3,
    )
    words = f"A tanh network of {HIDDEN} units, driven by weak noise; J_T ⋯ J_{{T−k+1}} for lags k to {LAGS}."
    return Section("The spectrum of the product", words, [slider])


def _spectrum_chart(title: str, description: str, x_label: str, values: Tensor) -> Chart:
    """All singular values (lags, n) by the number of factors; the largest and the root mean square stand out."""
    lags = list(range(1, len(values) + 1))
    lines = [Line("", lags, column.tolist(), "s6 faint") for column in values.T[1:]]
    lines.append(Line("typical", lags, values.square().mean(1).sqrt().tolist(), "s1"))
    lines.append(Line("largest", lags, values[:, 0].tolist(), "s2"))
    return Chart(
        title,
        description,
        x_label,
        "singular value",
        lines,
        log=True,
        levels=[("1", 1.0)],
        y_range=(FLOOR, 1e4),
        height=340,
        ticks=7,
    )


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


def _depth_section(deep: dict[str, Tensor]) -> Section:
    charts = [
        _spectrum_chart(
            f"All {WIDTH} singular values of the product through a deep net, {name}",
            f"Through {DEPTH} layers {int((values[-1] > 1).sum())} of {WIDTH} directions grow",
            "layers in the product, counted from the output",
            values,
        )
        for name, values in deep.items()
    ]
    slider = Slider(
        "activation",
        list(deep),
        charts,
        "Sigmoid's slope of at most a quarter takes every direction down at once; the others spread as a recurrent net "
        "does. Half of ReLU's directions are exactly zero after one layer: they are below the floor.",
        start=3,
    )
    words = (
        f"{DEPTH} layers of {WIDTH} units with random weights of variance 1/n (ReLU 2/n), one random input: in depth "
        "every factor has weights of its own, in time all share them."
    )
    return Section("The same against depth", words, [slider])


def _cells_section(cells: dict[float, Tensor]) -> Section:
    charts = [
        _spectrum_chart(
            f"All {2 * HIDDEN} singular values of an LSTM's product, forget bias {bias:g}",
            f"Largest singular value at lag {LAGS}: {power(float(values[-1, 0]))}",
            "lag: factors in the product",
            values,
        )
        for bias, values in cells.items()
    ]
    slider = Slider(
        "forget bias",
        [f"{bias:g}" for bias in cells],
        charts,
        "h and c together: half of the directions are the cell's, and the forget gate decides how long they live.",
        start=1,
    )
    return Section("The same for an LSTM", f"Untrained, {HIDDEN} units, {2 * HIDDEN} directions.", [slider])
