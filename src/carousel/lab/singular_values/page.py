"""What the page on the singular values of a product says."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.diagrams import plane
from carousel.lab.figures import chart, curves
from carousel.lab.formulas import ThreeLayers, cell_formulas, static_formula
from carousel.lab.singular_values.measure import DEEP, DEPTH, HIDDEN, LAGS, WIDTH, Measurements
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import number, power

FACTORS = "lag: factors in the product"
FLOOR = 1e-16  # of float64: a smaller number beside values near 1 is rounding


def findings(found: Measurements) -> Findings:
    """The claims about growing directions and bounded Jacobians, and the figures behind them."""
    sections = [
        _ellipse_section(),
        _spectrum_section(found),
        _parts_section(found),
        _depth_section(found),
        _lstm_section(found),
    ]
    equations = {
        "RNN, and the factor by which a gradient goes back one step": formula.text(
            CELLS["rnn-tanh"].equations, backward=True
        ),
        **cell_formulas({"LSTM": "lstm"}),
        **{
            f"The product through three layers of {name}: ∂y0 from ∂y3": static_formula(
                ThreeLayers(name), True, weights=False
            )
            for name in ("tanh", *(name for name in DEEP if name != "tanh"))
        },
    }
    return Findings([_direction_claim(found), _activation_claim(found)], sections, equations)


def _direction_claim(found: Measurements) -> Claim:
    growth = found.growth
    return Claim.judged(
        "The gradient expands along directions with singular values above 1 and shrinks along those below.",
        # of the whole product, and never of one weight matrix, of which the lecture speaks
        [growth["first"] > 1 > growth["last"], False],
        {
            "factor on a gradient along the first singular direction": number(growth["first"], 2),
            "factor along the last one, by the inverse product": power(growth["last"]),
            "factor along a random direction": number(growth["random"], 2),
        }
        | {
            f"directions, of {HIDDEN}, that grow at gain {gain:g}": str(product.growing)
            for gain, product in found.products.items()
        },
        "A gradient goes back over 10 steps. The factors are those at gain 1.5.",
        "the singular values are those of the whole product, not of one weight matrix",
    )


def _activation_claim(found: Measurements) -> Claim:
    one, two = found.products[1.0], found.products[2.0]
    added, taken = two.weights[-1] - one.weights[-1], one.activations[-1] - two.activations[-1]
    return Claim.judged(
        "The Jacobians of the activations are bounded: they only shrink.",
        [max(max(product.activations) for product in found.products.values()) <= 0],
        {
            f"nats a direction over {LAGS} steps: {part}, gain {gain:g}": number(
                getattr(product, part)[-1], 1
            )
            for part in ("activations", "weights")
            for gain, product in ((1, one), (2, two))
        },
        "tanh′ is at most 1. Larger weights saturate units, and here the activations take back "
        f"{'more than' if taken > added else 'part of'} what the weights add.",
    )


def _ellipse_section(steps: int = 5) -> Section:
    weight = torch.tensor([[1.1, 0.7], [-0.2, 0.6]], dtype=torch.float64)
    turns = torch.linspace(0, 2 * torch.pi, 81, dtype=torch.float64)
    circle = torch.stack([turns.cos(), turns.sin()])
    h, product = torch.tensor([0.3, -0.2], dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    pictures = {}
    for k in range(steps + 1):
        directions, sizes, _ = torch.linalg.svd(product)
        arrows = [
            ((0.0, 0.0), tuple((size * direction).tolist()), f"σ_{n} = {size:.2f}", f"s{n + 1}")
            for n, (size, direction) in enumerate(zip(sizes, directions.T, strict=True), start=1)
        ]
        images = [(each.T.tolist(), style) for each, style in ((circle, "guide"), (product @ circle, "s1"))]
        pictures[f"{k} step{'s' if k != 1 else ''}"] = plane(
            f"All disturbances of size 1 at step 0, seen at step {k}", 1.8, arrows, images
        )
        h = torch.tanh(weight @ h)
        product = (1 - h**2)[:, None] * weight @ product
    caption = (
        "The circle holds all disturbances of size 1. The Jacobians turn it into an ellipse, whose half-axes are the "
        "singular values of their product. It grows along one direction while it shrinks along the other."
    )
    return Section(
        "The circle that becomes an ellipse",
        "Two tanh units run without input, and a small disturbance is multiplied by the Jacobian of each step.",
        [Slider("steps", pictures, caption, "1 step")],
    )


def _spectra(title: str, x_label: str, spectra: Mapping[str, Tensor]) -> dict[str, Chart]:
    """Every fourth singular value (lags, n) by the number of factors; the largest and the mean square stand out."""
    charts = {}
    for name, values in spectra.items():
        lags = range(1, len(values) + 1)
        faint = [Line("", lags, column.tolist(), "s6 faint") for column in values.T[3::4]]
        typical = values.square().mean(1).sqrt().tolist()
        charts[name] = Chart(
            f"{title} {name}",
            f"{int((values[-1] > 1).sum())} of {values.shape[1]} directions grow",
            x_label,
            "singular value",
            [*faint, *curves(lags, {"typical": typical, "largest": values[:, 0].tolist()})],
            log=True,
            levels=[("1", 1.0)],
            y_range=(FLOOR, 1e4),
            height=340,
            ticks=7,
        )
    return charts


def _spectrum_section(found: Measurements) -> Section:
    spectra = {f"{gain:g}": product.values for gain, product in found.products.items()}
    charts = _spectra(f"The {HIDDEN} singular values of the product, gain", FACTORS, spectra)
    caption = (
        "A line is a direction, and every fourth is drawn. With more factors, a few directions keep their size while "
        "most vanish. Values below 10⁻¹⁶ are hidden by rounding and lie on the floor."
    )
    return Section(
        "The spectrum of the product",
        f"Weak noise drives a tanh network of {HIDDEN} units. The product is J_T ⋯ J_{{T−k+1}} for lags k to {LAGS}.",
        [Slider("gain of the weights", charts, caption, "1.5")],
    )


def _parts_section(found: Measurements) -> Section:
    rows = []
    for gain, p in found.products.items():
        parts = (p.weights[-1], p.activations[-1], p.weights[-1] + p.activations[-1])
        rows.append([f"gain {gain:g}", *(number(part, 1) for part in parts)])
    caption = f"Mean log singular value over {LAGS} steps, in nats a direction."
    table = Table(["", "weights", "activations", "together"], rows, caption)
    product = found.products[1.5]
    together = [a + b for a, b in zip(product.weights, product.activations, strict=True)]
    drawn = chart(
        "Log volume of the product at gain 1.5",
        ("lag", "nats a direction"),
        range(1, LAGS + 1),
        {"activations": product.activations, "weights": product.weights, "together": together},
    )
    return Section(
        "The parts of weights and activations",
        "The mean log singular value of a product is exactly the sum of those of its factors. The shrinking can "
        "therefore be divided into a part of the weights and a part of the slopes of tanh.",
        [Figure(drawn, "Straight lines mean the same loss at every step."), table],
    )


def _depth_section(found: Measurements) -> Section:
    title, counted = f"The {WIDTH} singular values through a deep network,", "layers, counted from the output"
    caption = (
        "The slope of sigmoid is at most a quarter and shrinks every direction at once. The others spread like those "
        "of a recurrent network. Half of the directions of ReLU are exactly zero after one layer and lie below the "
        "floor."
    )
    return Section(
        "The same against depth",
        f"{DEPTH} layers of {WIDTH} units have random weights of variance 1/n (ReLU: 2/n), at one random input. In "
        "depth every factor has weights of its own, while in time all factors share them.",
        [Slider("activation", _spectra(title, counted, found.deep), caption, "tanh")],
    )


def _lstm_section(found: Measurements) -> Section:
    spectra = {f"{bias:g}": values for bias, values in found.lstms.items()}
    charts = _spectra(
        f"The {2 * HIDDEN} singular values of the product of an LSTM, forget bias", FACTORS, spectra
    )
    return Section(
        "The same for an LSTM",
        f"The LSTM has {HIDDEN} units and is not trained. Its h and c together have {2 * HIDDEN} directions. Half of "
        "them belong to the cell state.",
        [Slider("forget bias", charts, "The forget gate decides how long they are kept.", "1")],
    )
