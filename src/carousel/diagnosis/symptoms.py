"""The few numbers of each layer that verdicts are made from, out of the measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.by_lag import GradientByLag
from carousel.diagnosis.linearisation import STEEPEST
from carousel.diagnosis.remedies import PreActivations
from carousel.diagnosis.trajectory import Trajectory
from carousel.equations.graph import Node

FLAT = 0.01  # of the steepest slope: below it an activation passes hardly any gradient
STILL, ZERO = 1e-4, 1e-2  # a unit's deviation and largest size over the batch, below which it says nothing
POINTS = 512


@dataclass(frozen=True, eq=False)
class Symptoms:
    """One layer and direction, as numbers.

    Attributes:
        layer: its name; path: of its module; hidden, steps: H and T.
        rate: ln of the factor by which the worst direction grows (above 0) or shrinks per step back.
        worst, typical: ln of the norms by lag k = 0..K, medians over sequences.
        bounded: whether its states cannot leave a fixed range.
        growth: ln of the mean size of its state in the last tenth of the steps over that in the first tenth.
        flat: gate -> share of (unit, step) at which its activation is almost flat.
        still: (H,) units that put out zero at every step of every sequence.
        input_mean, input_deviation: of each of the I inputs over the batch.
        pre_activations: mean and deviation of what goes into each unit of each gate.
        steepest: the largest slope of the activation that h goes through.
    """

    layer: str
    path: str
    hidden: int
    steps: int
    rate: float
    worst: NDArray[np.float64]
    typical: NDArray[np.float64]
    bounded: bool
    growth: float
    flat: dict[str, float]
    still: NDArray[np.bool_]
    input_mean: NDArray[np.float64]
    input_deviation: NDArray[np.float64]
    pre_activations: PreActivations
    steepest: float

    @property
    def unscaled(self) -> bool:
        """Whether it reads the data itself, and those lie far from mean 0 and deviation 1."""
        return bool((np.abs(self.input_mean) > 5).any() or (self.input_deviation > 5).any())

    @property
    def flatness(self) -> float:
        """Mean share over its gates; 0 for a cell without activations."""
        return float(np.mean(list(self.flat.values()))) if self.flat else 0.0

    @property
    def silent(self) -> float:
        """Share of units that say nothing."""
        return float(self.still.mean())


def symptoms(trajectory: Trajectory, flow: GradientByLag) -> Symptoms:
    """Read off one layer."""
    layer = trajectory.layer
    h = layer.part(trajectory.states[1:], "h" if "h" in layer.states else layer.states[0])
    valid = h[trajectory.valid]  # (N, H)
    x, s = trajectory.points(POINTS)
    at = layer.linearise(x, s)
    worst = flow.median("log_worst")
    inputs = trajectory.inputs[trajectory.valid]
    first = trajectory.layer.layer == 0
    deviation = inputs.std(0, correction=0).numpy() if first else np.ones(layer.input_size)
    mean = inputs.mean(0).numpy() if first else np.zeros(layer.input_size)
    return Symptoms(
        layer=layer.name,
        path=layer.path,
        hidden=layer.hidden,
        steps=trajectory.steps,
        rate=slope(worst),
        worst=worst,
        typical=flow.median("log_typical"),
        bounded=_is_bounded(layer.equations.nodes),
        growth=_growth(h),
        flat=_flat(at.slopes, at.values),
        still=_still(valid),
        input_mean=mean,
        input_deviation=deviation,
        pre_activations=_pre_activations(layer.equations.affines, at.values),
        steepest=max((STEEPEST.get(node.operation, 0.0) for node in layer.equations.nodes), default=0.0)
        or 1.0,
    )


def flatness(trajectory: Trajectory, points: int = 128) -> float:
    """Share of activations that are almost flat, mean over gates, at some points of a trajectory."""
    x, s = trajectory.points(points)
    at = trajectory.layer.linearise(x, s)
    shares = _flat(at.slopes, at.values)
    return float(np.mean(list(shares.values()))) if shares else 0.0


def slope(curve: NDArray[np.float64]) -> float:
    """Of a gradient by lag, per step, over all but its first tenth, where directions have yet to line up."""
    known = np.flatnonzero(~np.isnan(curve))
    part = known[len(known) // 10 :]
    if len(part) < 2:
        return float("nan")
    if np.isneginf(curve[part]).any():
        return float("-inf")
    return float(np.polyfit(part, curve[part], 1)[0])


def _is_bounded(nodes: Sequence[Node]) -> bool:
    """Whether every activation of the cell has bounds; c of an LSTM may grow, but by 1 a step at most."""
    return not any(node.operation in ("relu", "elu") for node in nodes) and any(
        node.operation in ("tanh", "sigmoid") for node in nodes
    )


def _growth(h: Tensor) -> float:
    tenth = max(1, len(h) // 10)
    early, late = h[:tenth].abs().mean(), h[-tenth:].abs().mean()
    tiny = torch.finfo(h.dtype).tiny
    return float(torch.log(late.clamp(min=tiny)) - torch.log(early.clamp(min=tiny)))


def _flat(slopes: dict[Node, tuple[Tensor, ...]], values: dict[Node, Tensor]) -> dict[str, float]:
    """Gate -> share of points where its slope is below FLAT of the steepest; the squashing of c is no gate."""
    shares = {}
    for node, (slope, *_) in slopes.items():
        if node.operation in ("tanh", "sigmoid") and _affines_into(node):
            name = _affines_into(node)[0].name
            flat = slope.abs() < FLAT * STEEPEST[node.operation]
            shares[name] = float(flat.double().mean())
    return shares


def _affines_into(node: Node) -> list[Node]:
    """The products that are summed up before an activation."""
    if node.operation == "affine":
        return [node]
    inside = [each for each in node.operands if each.operation in ("affine", "+", "*")]
    return [affine for each in inside for affine in _affines_into(each)]


def _still(h: Tensor) -> NDArray[np.bool_]:
    """A unit at +1 throughout is saturated, not dead: only those at zero are meant."""
    return ((h.std(0, correction=0) < STILL) & (h.abs().amax(0) < ZERO)).numpy()


def _pre_activations(affines: Sequence[Node], values: dict[Node, Tensor]) -> PreActivations:
    total: dict[str, Tensor] = {}
    for affine in affines:
        total[affine.name] = total.get(affine.name, torch.zeros(())) + values[affine]
    return PreActivations(
        {name: value.mean(0) for name, value in total.items()},
        {name: value.std(0, correction=0) for name, value in total.items()},
    )
