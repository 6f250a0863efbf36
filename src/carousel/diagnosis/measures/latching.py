"""Latching: whether a network holds discrete states, as a flip-flop does, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.trajectory import Trajectory

SETTLE = 400  # steps under the resting input, after which a state rests or is not counted
POINTS = {64: 2048, 256: 512}  # up to a size of the state: how many are followed
FEW = 32  # of larger ones
STILL = 1e-5  # a state that a step moves by less, relative to 1 + |s|, rests
ALIKE = 0.02  # resting states closer than this, relative to 1 + |s|, are one
NUDGE, BACK = 1e-3, 0.1  # a stable state undoes nine tenths of a small change

_known: WeakKeyDictionary[Trajectory, Latching] = WeakKeyDictionary()


@dataclass(frozen=True, repr=False)
class Latching(Brief):
    """Stable states to which the states of a batch lead if the input rests.

    A network with several of them holds discrete states: a small change is forgotten, and which state it is in is kept
    until an input moves it to another.

    Attributes:
        layer: its name.
        points: (P, n), the stable states, the most visited first.
        share: (P,), the share of the steps of the batch that lead to each.
        dwell: how many steps a sequence stays with one of them, on average over the batch.
        steps: how many states were followed.
    """

    layer: str
    points: NDArray[np.float64]
    share: NDArray[np.float64]
    dwell: float
    steps: int

    @property
    def is_latching(self) -> bool:
        """Whether the batch visits at least two stable states."""
        return len(self.points) > 1


def latching(trajectory: Trajectory) -> Latching:
    """Which stable states the states of a batch lead to under the resting input, its median over the batch.

    States along the first sequences are followed for 400 steps. Those that rest, and come back after a small change,
    are counted. A line of fixed points, of which each keeps any small change, is no set of discrete states. See
    Hopfield (1982) on memory by stable states, and Sussillo and Barak (2013) on flip-flops.

    Args:
        trajectory: of `observe`, or `stacked`, with states (T + 1, B, n).

    No trajectory raises an error.

    >>> import torch
    >>> from carousel.diagnosis import latching, observe
    >>> unit = torch.nn.RNN(1, 1, bias=False)  # h = tanh(3 h + 5 x): it keeps the sign of the last pulse
    >>> unit.weight_hh_l0.data[:], unit.weight_ih_l0.data[:] = 3.0, 5.0
    >>> pulses = torch.zeros(60, 1, 1)
    >>> pulses[0], pulses[20], pulses[40] = 1.0, -1.0, 1.0
    >>> found = latching(observe(unit, pulses).trajectories[0])
    >>> len(found.points), found.dwell, found.points.round(2).ravel().tolist()
    (2, 20.0, [0.99, -0.99])
    """
    if trajectory not in _known:
        _known[trajectory] = _latching(trajectory)
    return _known[trajectory]


def _latching(trajectory: Trajectory) -> Latching:
    layer = trajectory.layer
    limit = next((number for size, number in POINTS.items() if layer.size <= size), FEW)
    few = max(1, min(trajectory.instances, limit // trajectory.steps))
    valid = trajectory.valid[:limit, :few]
    s = trajectory.states[1 : limit + 1, :few][valid]  # (N, n), in the order of time
    rest = trajectory.inputs[trajectory.valid].median(dim=0).values
    settled, still = _settle(trajectory, s, rest)
    scale = 1 + torch.linalg.vector_norm(settled, dim=-1)
    label = torch.full((len(s),), -1)
    points: list[Tensor] = []
    for k in still.nonzero().flatten().tolist():
        near = [i for i, point in enumerate(points) if (settled[k] - point).norm() <= ALIKE * scale[k]]
        label[k] = near[0] if near else len(points)
        points += [] if near else [settled[k]]
    stable = _stable(trajectory, torch.stack(points), rest) if points else []
    counts = {i: int((label == i).sum()) for i, holds in enumerate(stable) if holds}
    order = sorted(counts, key=lambda i: -counts[i])
    grid = torch.full(valid.shape, -1)
    grid[valid] = label
    both = valid[1:] & (grid[1:] >= 0) & (grid[:-1] >= 0)
    switches = int(((grid[1:] != grid[:-1]) & both).sum())
    return Latching(
        layer=layer.name,
        points=torch.stack([points[i] for i in order]).double().numpy()
        if order
        else np.zeros((0, layer.size)),
        share=np.array([counts[i] / len(s) for i in order]),
        dwell=len(s) / (switches + few),
        steps=len(s),
    )


def _settle(trajectory: Trajectory, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Where states get to under a constant input, and which of them rest there."""
    inputs = x.expand(len(s), -1)
    for t in range(SETTLE):
        new = trajectory.layer.step(inputs, s)
        moved = torch.linalg.vector_norm(new - s, dim=-1) / (1 + torch.linalg.vector_norm(s, dim=-1))
        s, still = new, moved < STILL
        if t % 20 == 19 and bool((still | ~torch.isfinite(moved)).all()):
            break
    return s, still


def _stable(trajectory: Trajectory, points: Tensor, x: Tensor) -> list[bool]:
    """Which resting states come back after a small random change."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(points.shape, generator=generator, dtype=torch.float64).to(points)
    nudge = NUDGE * noise / torch.linalg.vector_norm(noise, dim=-1, keepdim=True)
    back, _ = _settle(trajectory, torch.cat([points, points + nudge]), x)
    one, other = back.chunk(2)
    return (torch.linalg.vector_norm(other - one, dim=-1) < BACK * NUDGE).tolist()
