"""Is a layer stable? Bounded input, bounded state, by which bound; and does it forget its start, and who says so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.intervals import (
    Interval,
    by_activations,
    intervals,
    invariant_box,
    largest_jacobian,
    rounds_of,
)
from carousel.diagnosis.measures.spectrum import eigenvalues_of
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.linearisation import STEEPEST
from carousel.diagnosis.observation.stack import single_layer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.equations.catalogue import CELLS
from carousel.equations.graph import Node
from carousel.options import check_seed

Bounds = dict[str, NDArray[np.float64]]
Proof = tuple[bool | None, str, Bounds]  # bounded or not, why, by which bounds

TERMS = 20_000  # of the sum over k of |W^k W_x|
APART = 1e-6  # the distance of two near starts, against the size of the states
LOST, FAR = 1e-13, 1e-2  # distances between which it says how small changes fare


@dataclass(frozen=True)
class Certificate:
    """A condition that proves something if it holds; if it does not, nothing is proven either way.

    `holds` is value < limit.
    """

    name: str
    value: float
    limit: float
    source: str

    @property
    def holds(self) -> bool:
        return self.value < self.limit


@dataclass(frozen=True, repr=False)
class Stability(Brief):
    """Boundedness and contraction of one layer, for all inputs within those of the batch.

    Attributes:
        layer: its name.
        bounded: whether what comes out is: True: proven, by `bound`; False: disproven; None: neither. The search for a
            bound is cut short, above 128 units after 60 rounds, which `reason` then says.
        reason: why, in words.
        bound: state -> (H,), no |unit| ever passes it; a state without a proven bound is not in it.
        largest: state -> (H,), the largest |unit| that the batch showed.
        certificates: conditions for contraction; one that holds is enough.
        contracts: whether one of them does: then any two starts are forgotten, and memory fades, for all inputs.
        measured_rate: ln of the factor per step at which two starts approach each other on the batch; above 0 they
            part. It is measured, not proven.
    """

    layer: str
    bounded: bool | None
    reason: str
    bound: Bounds
    largest: Bounds
    certificates: list[Certificate]
    measured_rate: float

    @property
    def contracts(self) -> bool:
        return any(each.holds for each in self.certificates)

    @property
    def certificate(self) -> Certificate | None:
        """The one that holds with most room, if any does."""
        holding = [each for each in self.certificates if each.holds]
        return min(holding, key=lambda each: each.value / each.limit, default=None)


def stability(trajectory: Trajectory, *, seed: int = 0) -> Stability:
    """Is the layer bounded-input bounded-output, and does it contract?

    Bounded: a linear recurrence is if and only if its spectral radius is below 1, and then |h| <= sum_k |W^k W_x|
    sup|x|, summed numerically. For other cells a box of states is sought that no step leaves while inputs stay
    within the range of the batch, by interval arithmetic on the equations: for an LSTM |c| <= i |g| / (1 - f) unit by
    unit, for a GRU |h| <= 1. Where there is none, as for cells whose f is all but 1, an activation may still hold h.

    Contraction: gamma ||U||_2 < 1 for a simple network; the same in the best diagonal norm that balancing finds; the
    spectral radius of the entrywise largest |J| over that box, for any cell (a weighted maximum norm); and for an LSTM
    the conditions of Miller and Hardt (2019) in the maximum norm.

    Args:
        trajectory: of one layer, from `observe`.
        seed: of the near start whose distance is followed.

    Raises:
        CarouselError: `trajectory` is that of a stack of layers.

    >>> import torch
    >>> from carousel.diagnosis import observe, stability
    >>> [trajectory] = observe(torch.nn.GRU(3, 5), torch.randn(20, 4, 3)).trajectories
    >>> found = stability(trajectory)
    >>> found.bounded, bool(found.bound["h"].max() <= 1)
    (True, True)
    """
    seed = check_seed(seed)
    single_layer(trajectory)
    trajectory = trajectory.double()
    layer = trajectory.layer
    states = trajectory.states.flatten(0, 1)
    largest = {s: layer.part(states, s).abs().amax(dim=0).numpy() for s in layer.states}
    certificates: list[Certificate] = []
    if isinstance(layer, RecurrentLayer):
        (bounded, reason, bound), x, box = _bounded(trajectory)
        certificates = _certificates(layer, x, box)
    else:
        bounded, reason, bound = None, "its equations are not known, so that nothing is proven", {}
    return Stability(layer.name, bounded, reason, bound, largest, certificates, _measured(trajectory, seed))


def bounded_states(trajectory: Trajectory) -> tuple[str, ...]:
    """The states of a layer that are proven to be bounded, for inputs within those of the batch; () if none is."""
    if not isinstance(trajectory.layer, RecurrentLayer):
        return ()
    (bounded, _, bound), _, _ = _bounded(trajectory.double())
    return trajectory.layer.states if bounded and not bound else tuple(bound)


def _bounded(trajectory: Trajectory) -> tuple[Proof, Interval, dict[str, Interval] | None]:
    """The proof, the range of the inputs, and the box of states that no step leaves, if there is one."""
    layer = trajectory.layer
    x = Interval.around(trajectory.points()[0])
    initial = torch.cat([trajectory.states[0], trajectory.states.new_zeros(1, layer.size)])
    start = {s: Interval.around(layer.part(initial, s)) for s in layer.states}
    if layer.equations.key == CELLS["rnn-identity"].equations.key:
        return _linear(layer, x, start["h"]), x, None
    box = invariant_box(layer, x, start)
    return _by_activations(layer, x) if box is None else _by_box(box), x, box


def _linear(layer: RecurrentLayer, x: Interval, start: Interval) -> Proof:
    """h_t = sum_k W^k (W_x x_{t-k} + b) + W^t h_0."""
    [affine] = layer.equations.affines
    weight = layer.weight(affine, affine.operands[1])
    radius = float(eigenvalues_of(weight)[0].abs())
    if radius >= 1:
        reason = f"linear, with an eigenvalue of modulus {radius:.4g}: inputs that meet it add up without end"
        return False, reason, {}
    term = torch.cat([layer.weight(affine, affine.operands[0]), layer.bias(affine).unsqueeze(1)], dim=1)
    sup = torch.cat([x.largest, x.low.new_ones(1)])
    h = torch.zeros(layer.hidden, dtype=weight.dtype)
    power, first = torch.eye(layer.hidden, dtype=weight.dtype), torch.zeros_like(h)
    for _ in range(TERMS):
        first = torch.maximum(first, power.abs() @ start.largest)
        h = h + term.abs() @ sup
        if float(term.abs().max()) <= 1e-13 * float(h.max()) and float(power.abs().max()) < 1e-9:
            break
        term, power = weight @ term, weight @ power
    else:
        return (
            True,
            f"linear, spectral radius {radius:.6g}: bounded, but so slowly that the sum was not finished",
            {},
        )
    reason = f"linear, spectral radius {radius:.4g} < 1: |h| <= sum_k |W^k W_x| sup|x|"
    return True, reason, {"h": (h + first).numpy()}


def _by_box(box: dict[str, Interval]) -> Proof:
    bound = {state: each.largest.numpy() for state, each in box.items()}
    return True, f"no step leaves {_largest(bound)} while inputs stay within those of the batch", bound


def _by_activations(layer: RecurrentLayer, x: Interval) -> Proof:
    """Without a box of the whole state, what comes out may be bounded all the same."""
    held = {state: each.largest.numpy() for state, each in by_activations(layer, x).items()}
    search = f"in up to {rounds_of(layer)} rounds of widening"
    if layer.states[0] not in held:  # the first is what comes out
        reason = (
            f"no box of states was found, {search}, that a step does not leave: neither proven nor disproven"
        )
        return None, reason, {}
    rest = ", ".join(state for state in layer.states if state not in held)
    reason = f"{_largest(held)} by its activations, whatever comes in"
    return True, f"{reason}; no bound of {rest} was found, {search}" if rest else reason, held


def _largest(bound: Bounds) -> str:
    return ", ".join(f"|{state}| <= {each.max():.4g}" for state, each in bound.items())


def _certificates(layer: RecurrentLayer, x: Interval, box: dict[str, Interval] | None) -> list[Certificate]:
    gamma = _steepest(layer)
    if gamma is not None:
        [affine] = layer.equations.affines
        [vector] = [v for v in affine.operands if v.operation == "state"]
        weight = layer.weight(affine, vector)
        norm, balanced = (
            float(torch.linalg.matrix_norm(each, ord=2)) for each in (weight, _balanced(weight))
        )
        values = [
            ("gamma ||U||_2", norm, "Miller and Hardt (2019)"),
            ("gamma ||D U D^-1||_2, D diagonal", balanced, "balancing (Osborne 1960)"),
            ("gamma rho(|U|)", perron(weight.abs()), "weighted maximum norm (Perron)"),
        ]
        return [Certificate(name, gamma * value, 1.0, source) for name, value, source in values]
    if box is None:
        return []
    inside = intervals(layer, x, box)
    largest = perron(largest_jacobian(layer, inside))
    found = [Certificate("rho(sup |J|)", largest, 1.0, "weighted maximum norm over the box")]
    if layer.equations.key == CELLS["lstm"].equations.key:
        found.append(_miller_hardt(layer, inside))
    return found


def _steepest(layer: RecurrentLayer) -> float | None:
    """gamma of h = f(W x + U h): the largest slope of f; None for any other cell."""
    equations = layer.equations
    if len(equations.affines) != 1 or len(layer.states) != 1:
        return None
    [affine], [node] = equations.affines, equations.new_states
    if not any(v.operation == "state" for v in affine.operands):
        return None
    if node is affine:
        return 1.0
    return STEEPEST.get(node.operation) if node.operands == (affine,) else None


def _balanced(weight: Tensor) -> Tensor:
    """D W D^-1 with rows and columns of like norm, which lowers the Frobenius norm as far as a diagonal D can."""
    w = weight.clone()
    off = ~torch.eye(len(w), dtype=torch.bool)
    for _ in range(20):
        for i in range(len(w)) if len(w) <= 64 else [None]:
            rows = (w.square() * off).sum(dim=1).sqrt()
            columns = (w.square() * off).sum(dim=0).sqrt()
            scale = ((columns + 1e-12) / (rows + 1e-12)).sqrt().clamp(1e-3, 1e3)
            # all units at once go half way, or rows and columns would change places
            scale = scale.sqrt() if i is None else torch.where(torch.arange(len(w)) == i, scale, 1.0)
            w = scale.unsqueeze(1) * w / scale
    return w


def perron(matrix: Tensor) -> float:
    """An upper bound on the spectral radius of a matrix without negative entries (Collatz and Wielandt), near to it."""
    if not bool(torch.isfinite(matrix).all()):
        return float("inf")
    v = matrix.new_ones(len(matrix))
    best = float("inf")
    for _ in range(200):
        new = matrix @ v + 1e-12 * v.mean()
        best = min(best, float((new / v).max()))
        v = (new + v) / 2  # half steps: a periodic matrix would circle
        v = v / v.max() + 1e-9
    return best


def _miller_hardt(layer: RecurrentLayer, inside: dict[Node, Interval]) -> Certificate:
    """||U_i||, ||U_o|| < 1 - f, ||U_g|| <= (1 - f) / 4, ||U_f|| < (1 - f)^2, maximum norms; f the largest gate."""
    equations = layer.equations
    gate = next(node for node, name in equations.names.items() if name == "f")
    rest = 1 - float(inside[gate].high.max())
    limits = {"i": rest, "o": rest, "g": rest / 4, "f": rest**2}
    ratios = []
    for affine in equations.affines:
        [vector] = [v for v in affine.operands if v.operation == "state"]
        norm = float(layer.weight(affine, vector).abs().sum(dim=1).max())
        ratios.append(norm / limits[affine.name] if rest > 0 else float("inf"))
    return Certificate(
        "largest of the LSTM's norms to their limits", max(ratios), 1.0, "Miller and Hardt (2019)"
    )


def _measured(trajectory: Trajectory, seed: int) -> float:
    """Two starts on the same inputs: the slope of the ln of their distance, until it is lost in rounding or so large
    that the bounds of the states hold it.
    """
    layer, instances = trajectory.layer, min(4, trajectory.instances)
    generator = torch.Generator().manual_seed(seed)
    scale = float(trajectory.states.std().nan_to_num(0.0)) or 1.0
    s = trajectory.states[0, :instances]
    near = s + APART * scale * torch.randn(s.shape, generator=generator, dtype=s.dtype)
    distances: list[float] = []
    for t in range(trajectory.steps):
        both = layer.step(trajectory.inputs[t, :instances].repeat(2, 1), torch.cat([s, near]))
        s, near = both.split(instances)
        off = torch.where(trajectory.lengths[:instances] > t, (near - s).norm(dim=-1), torch.nan)
        distance = off.nanmean().item() / scale
        if not LOST < distance < FAR:
            break
        distances.append(distance)
    if len(distances) < 3:
        return -math.inf if distance <= LOST else math.nan
    return float(np.polyfit(np.arange(len(distances)), np.log(distances), 1)[0])
