"""The streetlight effect: we study linear systems because we can solve them. How far does their answer carry?

The memory of tanh, sigmoid and relu networks is predicted from the eigenvalues of their linearisation at a fixed
point, and compared with the measured one: near that point, far from it, and while an input drives the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from carousel.diagnosis import fixed_points, recurrent_layers
from carousel.lab.experiment import Budget
from carousel.lab.networks import hidden_states, paths, rnn, spectral_radius
from carousel.nn import RNN
from carousel.progress import Observer, Progress

ACTIVATIONS = ("tanh", "sigmoid", "relu")
NEAR, FAR = 1e-6, 1.0  # distance of the second start
INPUTS = (0.0, 0.1, 0.3, 1.0, 3.0)  # standard deviation of the noise that drives each unit
HIDDEN = 64
RADII = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.2, 1.5)
STEPS = 600
SEGMENT = 3  # steps after which a small distance is rescaled
FORGOTTEN = 0.01  # share of a distance below which it is forgotten
CLOSE = 0.05  # a prediction is right where the factor per step is right to five per cent
NEAR_REST, FAR_FROM_REST = "near rest", "far from rest"


def driven_by(scale: float) -> str:
    """The name of the place in which noise of this standard deviation drives a network."""
    return f"driven, input {scale:g}" if scale else NEAR_REST


PLACES = (NEAR_REST, FAR_FROM_REST, *map(driven_by, INPUTS[1:]))


@dataclass(frozen=True)
class Network:
    """A random network, its fixed point h = f(W h + b), and what its linearisation there predicts."""

    activation: str
    radius: float
    layer: RNN = field(repr=False)
    rest: Tensor = field(repr=False)
    predicted: float  # factor per step: largest modulus of the eigenvalues of diag(f'(W h + b)) W


@dataclass(frozen=True)
class Measured:
    """A network, and the factor by which a step multiplies a small distance in it, for each of PLACES."""

    network: Network
    factors: dict[str, float]


@dataclass(frozen=True)
class Measurements:
    """All networks, and for how many by activation no fixed point was found."""

    networks: list[Measured]
    without_rest: dict[str, int]

    def factors(self, activation: str, place: str) -> list[tuple[float, float]]:
        """Predicted and measured factor per step of the networks with this activation."""
        chosen = [each for each in self.networks if each.network.activation == activation]
        return [(each.network.predicted, each.factors[place]) for each in chosen]

    def right(self, activation: str, place: str, below: bool = True) -> float:
        """Share of networks whose factor is predicted to CLOSE, of those with a prediction below (above) 1."""
        chosen = [(p, factor) for p, factor in self.factors(activation, place) if p > 0 and (p < 1) == below]
        return sum(abs(factor / p - 1) < CLOSE for p, factor in chosen) / max(len(chosen), 1)

    def memories(self, activation: str, place: str) -> tuple[list[float], list[float]]:
        """Predicted and measured memory in steps, of the networks for which both are finite."""
        chosen = [(p, m) for p, m in self.factors(activation, place) if 0 < p < 1 and 0 < m < 1]
        return [memory(predicted) for predicted, _ in chosen], [memory(measured) for _, measured in chosen]

    def mean_tanh(self, radius: float, place: str) -> tuple[float, float]:
        """Mean predicted and measured factor of the tanh networks of this spectral radius."""
        chosen = [e for e in self.networks if (e.network.activation, e.network.radius) == ("tanh", radius)]
        return fmean(e.network.predicted for e in chosen), fmean(e.factors[place] for e in chosen)


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Predicted and measured factor per step, by activation, distance from rest, and input."""
    seeds = budget.choose(2, 8)
    made = {f: [network(f, radius, seed) for radius in RADII for seed in range(seeds)] for f in ACTIVATIONS}
    networks = [net for nets in made.values() for net in nets if net is not None]
    found = []
    for k, net in enumerate(networks):
        on_progress(Progress(f"{net.activation} networks", k / len(networks)))
        driven = dict(zip(map(driven_by, INPUTS), factors(net, INPUTS), strict=True))
        found.append(Measured(net, driven | {FAR_FROM_REST: far_factor(net)}))
    return Measurements(found, {f: nets.count(None) for f, nets in made.items()})


def network(activation: str, radius: float, seed: int) -> Network | None:
    """A random network of this spectral radius with its fixed point without input; None if none is found."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(HIDDEN, HIDDEN, generator=generator, dtype=torch.float64)
    weight *= radius / spectral_radius(weight)
    bias = 0.1 * torch.randn(HIDDEN, generator=generator, dtype=torch.float64)
    layer = rnn(activation, weight, bias=bias)
    found = fixed_points(recurrent_layers(layer)[0], starts=16, descent=0)
    if not len(found.points):
        return None
    predicted = float(abs(found.eigenvalues[0, 0]))
    return Network(activation, radius, layer, torch.tensor(found.points[0]), predicted)


def factors(net: Network, scales: Sequence[float] = (0.0,)) -> list[float]:
    """The factor by which a step multiplies a small distance of two driven trajectories, for each scale of the noise.

    It is the mean over the later steps. After every SEGMENT steps the distance is rescaled to NEAR in its own direction
    (Benettin et al. 1980), so that neither rounding nor the curvature of the activation matters.
    """
    generator = torch.Generator().manual_seed(99)
    noise = torch.randn(STEPS, 1, HIDDEN, generator=generator, dtype=torch.float64)
    direction = torch.randn(HIDDEN, generator=generator, dtype=torch.float64).expand(len(scales), -1)
    inputs = torch.tensor(scales, dtype=torch.float64)[:, None] * noise  # (STEPS, scales, H)
    state, sizes = net.rest.expand(len(scales), -1), []
    for first in range(0, STEPS, SEGMENT):
        reach = NEAR * state.norm(dim=1).clamp_min(1.0)  # relative to large states, or rounding would hide it
        beside = state + (reach / direction.norm(dim=1))[:, None] * direction
        driven = inputs[first : first + SEGMENT].repeat(1, 2, 1)  # for all states, then for those beside
        state, beside = hidden_states(net.layer, driven, torch.cat([state, beside]))[-1].chunk(2)
        direction = beside - state
        sizes.append(direction.norm(dim=1) / reach)
    return [_factor_per_step(column) for column in torch.stack(sizes, dim=1)]


def _factor_per_step(sizes: Tensor) -> float:
    """The factor per step over the last two thirds; 0 if the trajectories merged, infinity if they left every range."""
    ended = sizes[~((sizes > 0) & torch.isfinite(sizes))]
    if len(ended):
        return 0.0 if float(ended[0]) == 0 else math.inf
    logs = sizes.log() / SEGMENT
    return float(logs[len(logs) // 3 :].mean().exp())


def far_factor(net: Network) -> float:
    """The factor per step from a start at the distance FAR, without input, while the distance is above 1e-13."""
    direction = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(98), dtype=torch.float64)
    starts = torch.stack([net.rest, net.rest + FAR * direction / direction.norm()])
    found = paths(net.layer, starts, STEPS)[1:]
    distance = (found[:, 1] - found[:, 0]).norm(dim=1)
    lost = (~((distance > 1e-13) & torch.isfinite(distance))).nonzero()
    last = int(lost[0]) if len(lost) else STEPS
    return math.exp(math.log(float(distance[last - 1]) / FAR) / last) if last else 0.0


def memory(factor: float) -> float:
    """Steps until a distance that is multiplied by this factor a step has fallen to FORGOTTEN of it."""
    return math.log(FORGOTTEN) / math.log(factor) if 0 < factor < 1 else 0.0 if factor <= 0 else math.inf
