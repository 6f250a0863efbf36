"""h_k = f(w h_{k-1}) without input: how long do sigmoid, tanh and relu keep two starts apart?

Scalar recurrences with w = 0.9, 1.0 and 1.1 and their fixed points, and random networks of several spectral radii.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from carousel.lab.experiment import Budget
from carousel.lab.networks import paths, rnn, slope, spectral_radius
from carousel.progress import Observer, Progress

ACTIVATIONS = ("sigmoid", "tanh", "relu")
WEIGHTS = (0.9, 1.0, 1.1)
STARTS = (-1.0, -0.5, 0.1, 0.5, 1.0)
NEWTON_STARTS = {"sigmoid": 0.6, "tanh": 1.0, "relu": 1.0}
RADII = (0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7)
MERGED = 0.01  # two starts have merged where their distance is below this share of the first one
BLOWN_UP = 1e6
VECTOR_STEPS = 200
LATCH = (
    8.0  # a weight with which a sigmoid unit has two stable states, if its bias is half of it and negative
)


@dataclass(frozen=True)
class Scalar:
    """One unit: its last state from a start of 1, how long it keeps the starts 0.5 and 1 apart, its fixed point."""

    end: float
    memory: float  # steps; inf if the starts never merge
    fixed_point: float
    multiplier: float  # w f'(w h) there: what a step makes of a small distance


@dataclass(frozen=True)
class Measurements:
    """Scalar recurrences by activation and weight; by activation, a random network for each of RADII."""

    steps: int
    networks: int  # for each radius, of which the median is taken
    scalars: dict[tuple[str, float], Scalar]
    latch: float  # steps for which a sigmoid unit with the weight LATCH keeps the starts 0.1 and 1 apart
    memories: dict[str, list[float]]  # steps
    blown_up: dict[str, list[float]]  # share of the networks
    radii: tuple[float, ...] = RADII


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Scalar recurrences, their fixed points, and random networks of several spectral radii."""
    steps, networks = budget.choose(2_000, 20_000), budget.choose(8, 24)
    on_progress(Progress("scalar recurrences", 0.0))
    scalars = {(f, w): scalar(f, w, steps) for f in ACTIVATIONS for w in WEIGHTS}
    latch = steps_apart(trajectories("sigmoid", LATCH, steps, [0.1, 1.0], bias=-LATCH / 2))
    on_progress(Progress("random networks", 0.3))
    found = {f: [network_memory(f, radius, networks) for radius in RADII] for f in ACTIVATIONS}
    memories = {f: [memory for memory, _ in each] for f, each in found.items()}
    blown_up = {f: [share for _, share in each] for f, each in found.items()}
    return Measurements(steps, networks, scalars, latch, memories, blown_up)


def scalar(activation: str, weight: float, steps: int) -> Scalar:
    """Run one unit over so many steps."""
    found = trajectories(activation, weight, steps)
    fixed = fixed_point(activation, weight, NEWTON_STARTS[activation])
    return Scalar(float(found[-1, -1]), steps_apart(found[:, 3:]), *fixed)


def trajectories(
    activation: str, weight: float, steps: int, starts: Sequence[float] = STARTS, bias: float = 0.0
) -> torch.Tensor:
    """h_0 ... h_steps of the scalar recurrence, from each start: (steps + 1, starts), float64."""
    weights, biases = torch.tensor([[weight], [bias]], dtype=torch.float64)
    layer = rnn(activation, weights[None], bias=biases)
    return paths(layer, torch.tensor(starts, dtype=torch.float64)[:, None], steps)[:, :, 0]


def steps_apart(found: torch.Tensor) -> float:
    """Steps until the last two columns merge; inf if they never do."""
    distance = (found[:, -1] - found[:, -2]).abs()
    merged = (distance < MERGED * distance[0]).nonzero()
    return float(merged[0]) if len(merged) else math.inf


def blow_up(weight: float) -> int:
    """Steps that a relu unit takes from 1 to beyond BLOWN_UP."""
    return int((trajectories("relu", weight, 1_000, [1.0])[:, 0] > BLOWN_UP).nonzero()[0])


def fixed_point(activation: str, weight: float, start: float) -> tuple[float, float]:
    """The fixed point h = f(w h) that Newton's method finds from `start`, and its multiplier w f'(w h).

    The multiplier of relu at 0 is the one for starts above 0. At w = 1 every positive start is a fixed point.
    """
    if activation == "relu":
        return (start if weight == 1 else 0.0), weight
    f, h = getattr(torch, activation), torch.tensor(start, dtype=torch.float64)
    for _ in range(200):
        derivative = 1 - weight * slope(activation, f(weight * h))
        if abs(derivative) < 1e-12:
            break
        h = h - (h - f(weight * h)) / derivative
    if abs(h) < 1e-5:  # at w = 1 the root of tanh is threefold: Newton slows down until rounding stops it
        h = torch.zeros_like(h)
    return float(h), weight * float(slope(activation, f(weight * h)))


def network_memory(activation: str, radius: float, networks: int, hidden: int = 64) -> tuple[float, float]:
    """Random networks of this spectral radius: (median steps until two starts merge, share that blows up).

    The steps are inf if the starts are still apart after VECTOR_STEPS. A network with a state beyond BLOWN_UP has
    blown up and keeps nothing.
    """
    generator = torch.Generator().manual_seed(7)
    memories, blown_up = [], 0
    for _ in range(networks):
        weight = torch.randn(hidden, hidden, generator=generator, dtype=torch.float64)
        starts = torch.randn(2, hidden, generator=generator, dtype=torch.float64)
        if activation == "relu":
            starts = starts.abs()  # what relu can hold
        found = paths(rnn(activation, weight * radius / spectral_radius(weight)), starts, VECTOR_STEPS)
        distance, largest = (found[:, 0] - found[:, 1]).norm(dim=1), found.abs().amax(dim=(1, 2))
        lost = ((distance < MERGED * distance[0]) | (largest > BLOWN_UP)).nonzero()
        memories.append(float(lost[0]) if len(lost) else math.inf)
        blown_up += bool(largest.max() > BLOWN_UP)
    return float(torch.tensor(memories).quantile(0.5, interpolation="nearest")), blown_up / networks
