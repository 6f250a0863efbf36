"""The few numbers of each layer that verdicts are made from, out of the measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.gradient_by_lag import EXACT_SIZE, GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.latching import latching
from carousel.diagnosis.measures.lyapunov import longest_run, lyapunov
from carousel.diagnosis.measures.saturation import SATURATED
from carousel.diagnosis.measures.stability import bounded_states
from carousel.diagnosis.observation.layers import RecurrentLayer, along
from carousel.diagnosis.observation.linearisation import STEEPEST, Linearisation
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.diagnosis.verdicts.weights import PreActivations
from carousel.equations.graph import Node

STILL, ZERO = 1e-4, 1e-2  # a unit's deviation and largest size over the batch, below which it says nothing
POINTS = 512
LEFT = math.log(0.01)  # of a gradient: what counts as gone
STEPS = 64  # at which it is asked what a single step keeps
MOST = 0.9  # of them must agree
ROUNDS = 10  # of power iteration, for states too large for a matrix


@dataclass(frozen=True, eq=False, repr=False)
class Symptoms(Brief):
    """One layer and direction, as numbers.

    Attributes:
        layer: its name; hidden, steps: H and T.
        rate: ln of the factor by which the worst direction grows (above 0) or shrinks per step back.
        worst: ln of its norm by lag k = 0..K, the median over sequences.
        bounded: whether every activation of the cell has bounds, which proves nothing of its states.
        saturated: gate -> share of (unit, step) at which its activation is.
        still: (H,) units that put out zero at every step of every sequence.
        input_mean, input_deviation: of each of the I inputs over the batch.
        pre_activations: gate -> mean and deviation of what goes into each unit, (H,) each.
        steepest: the largest slope of the activation that h goes through.
        kept: ln of what one step leaves of the best-kept direction, or less, at 90 % of the steps; NaN where the rate
            alone rules out that it is memoryless.
        cuts: steps, of those that were followed, at which J is exactly zero, so that nothing crosses them. If there
            are any, rate and worst are those of the longest stretch between two.
        exponent, exponent_error: the largest Lyapunov exponent in the long run, and its error; NaN if the gradient does
            not grow within the window. long_run: how many steps that was.
        is_growing: whether the exponent is above zero beyond its error; diverges: whether the states pass 1e30 in the
            long run.
        bounded_states: the states that are proven to stay within a fixed range, for inputs within those of the batch;
            looked for if the gradient grows within the window.
        latched, dwell: how many stable states the batch visits, and for how many steps it stays with one; looked for
            if the gradient shrinks.
    """

    layer: str
    hidden: int
    steps: int
    rate: float
    worst: NDArray[np.float64]
    bounded: bool
    saturated: dict[str, float]
    still: NDArray[np.bool_]
    input_mean: NDArray[np.float64]
    input_deviation: NDArray[np.float64]
    pre_activations: PreActivations
    steepest: float
    weights_rate: float = math.nan
    kept: float = math.nan
    cuts: int = 0
    exponent: float = math.nan
    exponent_error: float = math.nan
    is_growing: bool = False
    long_run: int = 0
    bounded_states: tuple[str, ...] = ()
    diverges: bool = False
    latched: int = 0
    dwell: float = 0.0

    @property
    def unscaled(self) -> bool:
        """Whether it reads the data itself, and those lie far from mean 0 and deviation 1."""
        return bool((np.abs(self.input_mean) > 5).any() or (self.input_deviation > 5).any())

    @property
    def saturation(self) -> float:
        """Mean share over its gates; 0 for a cell without activations."""
        return float(np.mean(list(self.saturated.values()))) if self.saturated else 0.0

    @property
    def silent(self) -> float:
        """Share of units that say nothing."""
        return float(self.still.mean())


def symptoms(trajectory: Trajectory, flow: GradientByLag) -> Symptoms:
    """Read off one layer."""
    layer = trajectory.layer
    h = layer.part(trajectory.states[1:], "h" if "h" in layer.states else layer.states[0])
    at = layer.linearise(*trajectory.points(POINTS))
    worst, rate, cuts = _rate(trajectory, flow)
    inputs = trajectory.inputs[trajectory.valid].numpy()
    no_data = np.zeros(layer.input_size)  # a later layer reads the layer before it
    known = isinstance(layer, RecurrentLayer)  # of a function that steps no activation is known
    operations = [node.operation for node in layer.equations.nodes] if known else []
    return Symptoms(
        layer=layer.name,
        hidden=layer.hidden,
        steps=trajectory.steps,
        rate=rate,
        worst=worst,
        # c of an LSTM may grow, but by 1 a step at most
        bounded=not {"relu", "elu"} & set(operations) and bool({"tanh", "sigmoid"} & set(operations)),
        saturated=_saturated(at.slopes) if known else {},
        still=silent_units(h[trajectory.valid]),
        input_mean=no_data if layer.layer else inputs.mean(0),
        input_deviation=no_data + 1 if layer.layer else inputs.std(0),
        pre_activations=_pre_activations(layer.equations.affines, at.values) if known else {},
        steepest=max((STEEPEST.get(each, 0.0) for each in operations), default=0.0) or 1.0,
        weights_rate=slope(flow.median("log_weights")) if rate < THRESHOLDS.vanishing else math.nan,
        kept=_kept(trajectory) if rate < THRESHOLDS.memoryless else math.nan,
        cuts=cuts,
        **(_long_run(trajectory) if rate > THRESHOLDS.growing else _latched(trajectory) if rate < 0 else {}),
    )


def saturated_share(trajectory: Trajectory, points: int = 128) -> float:
    """Share of activations that are saturated, mean over gates, at some points of a trajectory."""
    shares = _saturated(trajectory.layer.linearise(*trajectory.points(points)).slopes)
    return float(np.mean(list(shares.values()))) if shares else 0.0


def slope(curve: NDArray[np.float64]) -> float:
    """Of a gradient by lag, per step, over all but its first tenth, where directions have yet to line up.

    A curve that ends in zero, as that of a delay line, has no slope there: of it 1 % is left after as many steps as it
    is not zero, if it does not fall faster before. -inf where the first step leaves nothing.
    """
    known = np.flatnonzero(~np.isnan(curve))
    zero = known[np.isneginf(curve[known])]
    if zero.size and zero[0] <= 1:
        return float("-inf")
    there = known[known < zero[0]] if zero.size else known
    part = there[len(there) // 10 :]
    fitted = float(np.polyfit(part, curve[part], 1)[0]) if len(part) > 1 else math.nan
    return min(0.0 if math.isnan(fitted) else fitted, LEFT / float(zero[0])) if zero.size else fitted


def _rate(trajectory: Trajectory, flow: GradientByLag) -> tuple[NDArray[np.float64], float, int]:
    """The worst direction by lag, its slope, and at how many steps J is zero.

    Such a step, as that of a rectifier which one large input has switched off, is a reset: it ends what can be seen
    from the last step, and says nothing of how fast the network forgets elsewhere.
    """
    worst = flow.median("log_worst")
    if not np.isneginf(worst).any():
        return worst, slope(worst), 0
    cuts, stretch = _between_zeros(trajectory, flow.log_worst.shape[1])
    if not cuts:
        return worst, slope(worst), 0
    if stretch is None:
        return worst, -math.inf, cuts
    few: dict[str, Any] = {} if trajectory.layer.size <= EXACT_SIZE else {"number": 8, "iterations": 3}
    lags = min(len(worst) - 1, stretch.steps)
    worst = gradient_by_lag(stretch, lags=lags, instances=stretch.instances, **few).median("log_worst")
    rate = slope(worst)
    if stretch.steps < THRESHOLDS.steps:
        rate = float(np.nanmin([rate, LEFT / (stretch.steps + 1)]))
    return worst, rate, cuts


def _between_zeros(trajectory: Trajectory, instances: int) -> tuple[int, Trajectory | None]:
    """At how many steps of the first sequences J is zero, and the longest stretch of each without such a step."""
    layer, some = trajectory.layer, slice(0, instances)
    inputs, states, lengths = trajectory.inputs[:, some], trajectory.states[:, some], trajectory.lengths[some]
    probes = torch.randn(2, layer.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    directions = probes.to(states.dtype).expand(states.shape[1], -1, -1)
    zero = torch.stack([(at.jvp(directions) == 0).all(-1).all(-1) for _, at in along(layer, inputs, states)])
    zero &= torch.arange(len(zero))[:, None] < lengths
    found = []  # (length, first step, sequence)
    for b, length in enumerate(lengths.tolist()):
        ends = [-1, *zero[:, b].nonzero().flatten().tolist(), length]
        found.append(max((stop - start - 1, start + 1, b) for start, stop in pairwise(ends)))
    longest = max(found)[0]
    found = [each for each in found if 2 * each[0] >= longest]
    if not longest:
        return int(zero.sum()), None
    x = inputs.new_zeros(longest, len(found), inputs.shape[2])
    s = states.new_zeros(longest + 1, len(found), states.shape[2])
    for k, (length, start, b) in enumerate(found):
        x[:length, k] = inputs[start : start + length, b]
        s[: length + 1, k] = states[start : start + length + 1, b]
    return int(zero.sum()), Trajectory(layer, x, s, torch.tensor([length for length, _, _ in found]))


def _kept(trajectory: Trajectory) -> float:
    """ln ||J||_2, which at most of the steps is this or less."""
    at = trajectory.layer.linearise(*trajectory.points(STEPS))
    if trajectory.layer.size <= EXACT_SIZE:
        norms = torch.linalg.matrix_norm(at.matrix(), ord=2)
    else:
        norms = _stretched(at, trajectory.layer.size)
    return float(np.quantile(norms.double().log().numpy(), MOST, method="lower"))


def _stretched(at: Linearisation, size: int) -> Tensor:
    """||J||_2 of each point by power iteration, from below."""
    random = torch.Generator().manual_seed(0)
    v = torch.randn(at.points, 2, size, generator=random).to(at.new_state.dtype)
    for _ in range(ROUNDS):
        u = at.jvp(v / torch.linalg.vector_norm(v, dim=-1, keepdim=True).clamp(min=1e-30))
        v = at.vjp(u)
    return torch.linalg.vector_norm(u, dim=-1).amax(dim=-1)


def _long_run(trajectory: Trajectory) -> dict[str, Any]:
    """Whether what grows within the window grows for ever, and which states are bounded all the same."""
    found, bounded = lyapunov(trajectory, exponents=1), bounded_states(trajectory)
    if found.is_positive and not bounded and not found.diverges:
        found = lyapunov(trajectory, exponents=1, steps=longest_run(trajectory.layer.size))
    return {
        "exponent": float(found.exponents[0]),
        "exponent_error": float(found.error[0]),
        "is_growing": found.is_positive,
        "long_run": found.transient + found.steps,
        "bounded_states": bounded,
        "diverges": found.diverges,
    }


def _latched(trajectory: Trajectory) -> dict[str, Any]:
    found = latching(trajectory)
    return {"latched": len(found.points), "dwell": found.dwell}


def _saturated(slopes: dict[Node, tuple[Tensor, ...]]) -> dict[str, float]:
    """Gate -> share of points where it is saturated; the squashing of c is no gate."""
    shares = {}
    for node, (slope, *_) in slopes.items():
        if node.operation in ("tanh", "sigmoid") and _affines_into(node):
            name = _affines_into(node)[0].name
            flat = slope.abs() < SATURATED * STEEPEST[node.operation]
            shares[name] = float(flat.double().mean())
    return shares


def _affines_into(node: Node) -> list[Node]:
    """The products that are summed up before an activation."""
    if node.operation == "affine":
        return [node]
    inside = [each for each in node.operands if each.operation in ("affine", "+", "*")]
    return [affine for each in inside for affine in _affines_into(each)]


def silent_units(h: Tensor) -> NDArray[np.bool_]:
    """Units at zero throughout; one at +1 is saturated, not dead."""
    return ((h.std(0, correction=0) < STILL) & (h.abs().amax(0) < ZERO)).numpy()


def _pre_activations(affines: Sequence[Node], values: dict[Node, Tensor]) -> PreActivations:
    total: dict[str, Tensor] = {}
    for affine in affines:
        total[affine.name] = total.get(affine.name, torch.zeros(())) + values[affine]
    return {name: (value.mean(0), value.std(0, correction=0)) for name, value in total.items()}
