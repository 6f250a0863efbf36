"""Activations by their slopes: which units are saturated, when, and which never leave it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.gates import OPEN, SHUT
from carousel.diagnosis.observation.layers import RecurrentLayer, along
from carousel.diagnosis.observation.linearisation import STEEPEST
from carousel.diagnosis.observation.stack import single_layer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.equations import Equations
from carousel.equations.graph import Node

Array = NDArray[np.float64]

SATURATED = 0.01  # share of the steepest slope, below which an activation passes hardly any gradient


@dataclass(frozen=True, repr=False)
class Activation(Brief):
    """One activation of a cell over a batch; a step counts as saturated if f'(z) < 0.01 max f'.

    For relu, saturated means that the slope is 0: half of the time is nothing unusual, always is a dead unit.

    Attributes:
        name: the vector's name in the equations, "f", or its expression, "tanh(c)". kind: "sigmoid", "tanh", ...
        by_unit: (H,), the share of steps. by_step: (T,), the share of units and sequences; NaN where none is left.
        always: (H,) bool, saturated at every step of every sequence.
        low, high: (H,), the share of steps below 0.1 and above 0.9; of a sigmoid, shut and open.
        mean: (H,), the mean value.
    """

    name: str
    kind: str
    by_unit: Array
    by_step: Array
    always: NDArray[np.bool_]
    low: Array
    high: Array
    mean: Array

    @property
    def share(self) -> float:
        """The share of all steps and units that is saturated."""
        return float(self.by_unit.mean())


@dataclass(frozen=True, repr=False)
class Saturation(Brief):
    """All activations of a layer.

    Attributes:
        layer: its name.
        activations: name -> `Activation`, in the order of the equations.
    """

    layer: str
    activations: dict[str, Activation]

    @property
    def share(self) -> float:
        """The mean share over the activations that can saturate on both sides (all but relu and elu)."""
        shares = [each.share for each in self.activations.values() if each.kind in ("sigmoid", "tanh")]
        return float(np.mean(shares)) if shares else 0.0

    @property
    def dead(self) -> int:
        """How many units have a relu that is 0 at every step."""
        return int(sum(each.always.sum() for each in self.activations.values() if each.kind == "relu"))


def saturation(trajectory: Trajectory) -> Saturation:
    """How often each unit's activations are saturated, by their slopes at every step of the batch.

    Measured by the slope and not by the value: what matters to a gradient is f'(z), and a limit on z or on f(z) that is
    right for one activation is wrong for another. See Karpathy, Johnson and Li (2015) for shut and open gates.

    Args:
        trajectory: of one layer, from `observe`.

    Raises:
        CarouselError: `trajectory` is that of a stack of layers.

    >>> import torch
    >>> from carousel.diagnosis import observe, saturation
    >>> [trajectory] = observe(torch.nn.LSTM(3, 5), torch.randn(7, 4, 3)).trajectories
    >>> list(saturation(trajectory).activations)
    ['i', 'f', 'g', 'o', 'tanh(c)']
    """
    layer = single_layer(trajectory)
    if not isinstance(layer, RecurrentLayer):  # a function, of which no activation is known
        return Saturation(layer.name, {})
    names = activation_names(layer.equations)
    valid = trajectory.valid.numpy()
    steps, alive = int(valid.sum()), valid.sum(axis=1)
    flat = {node: np.zeros((trajectory.steps, layer.hidden)) for node in names}
    sums = {node: np.zeros((3, layer.hidden)) for node in names}  # low, high, value
    for t, at in along(layer, trajectory.inputs, trajectory.states):
        rows = trajectory.valid[t]
        for node in names:
            [slope] = at.slopes[node]
            value = at.values[node][rows].numpy()
            flat[node][t] = (slope[rows].numpy() < SATURATED * STEEPEST[node.operation]).sum(axis=0)
            sums[node] += [(value < SHUT).sum(axis=0), (value > OPEN).sum(axis=0), value.sum(axis=0)]
    found = {}
    for node, name in names.items():
        by_unit = flat[node].sum(axis=0) / steps
        by_step = np.divide(flat[node].mean(axis=1), alive, out=np.full(len(alive), np.nan), where=alive > 0)
        found[name] = Activation(name, node.operation, by_unit, by_step, by_unit == 1, *(sums[node] / steps))
    return Saturation(layer.name, found)


def activation_names(equations: Equations) -> dict[Node, str]:
    """Activation -> its author's name, or how it is written."""
    found: dict[Node, str] = {}
    for node in equations.nodes:
        if node.operation in STEEPEST:
            [inside] = node.operands
            operand = equations.names.get(inside) or inside.name or "..."
            name = equations.names.get(node) or (inside.name if inside.operation == "affine" else None)
            name = name or f"{node.operation}({operand})"
            while name in found.values():
                name += "'"
            found[node] = name
    return found
