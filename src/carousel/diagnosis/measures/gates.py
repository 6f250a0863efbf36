"""Gates: their values at every step, how often they are shut or open, and the time scales that they set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.tracking_units import flat
from carousel.diagnosis.observation.layers import RecurrentLayer, along
from carousel.diagnosis.observation.replay import in_own_time
from carousel.diagnosis.observation.stack import single_layer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.nn.trace import Trace

Array = NDArray[np.float64]

GATES = ("i", "f", "o", "r", "z")  # values in (0, 1), by the names of the equations
SHUT, OPEN = 0.1, 0.9  # a gate below counts as shut, above as open (Karpathy, Johnson and Li 2015)
POINTS = 2048  # steps at which time scales are read


@dataclass(frozen=True, repr=False)
class GateSeries(Brief):
    """Every named vector of a layer over some sequences, in the order of the sequence (also for a reverse layer).

    Attributes:
        layer, index, direction: its name, its number in the module, "forward" or "reverse".
        values: name in the equations ("i", "f", "c", "h") -> (T, B, H); NaN after a sequence's end.
        lengths: (B,).

    >>> import torch
    >>> from carousel.diagnosis import gates_over_time, observe
    >>> series = gates_over_time(observe(torch.nn.GRU(3, 5), torch.randn(7, 4, 3)).trajectories[0])
    >>> series.mean("z").shape, series.quantiles("z", (0.1, 0.9)).shape
    ((7, 4), (2, 7, 4))
    >>> series.units("h", [0, 2], sequence=1).shape, list(series.trace(sequence=1).values)
    ((7, 2), ['r', 'z', 'n', 'h'])
    """

    layer: str
    index: int
    direction: str
    values: dict[str, NDArray[np.float32]]
    lengths: NDArray[np.int64]

    def mean(self, name: str) -> NDArray[np.float32]:
        """The mean of the vector `name` over units, (T, B)."""
        return self._of(name).mean(axis=-1)

    def quantiles(self, name: str, q: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Array:
        """The quantiles `q` of the vector `name` over units, (len(q), T, B)."""
        return np.quantile(self._of(name), q, axis=-1)

    def units(self, name: str, units: list[int], sequence: int = 0) -> NDArray[np.float32]:
        """Chosen `units` of the vector `name` over one `sequence`, (its length, len(units))."""
        return self._of(name)[: self.lengths[sequence], sequence][:, units]

    def trace(self, sequence: int = 0) -> Trace:
        """One `sequence` in the form that `module.trace` returns and `tracking_units` takes."""
        length = int(self.lengths[sequence])
        values = {name: torch.from_numpy(v[:length, sequence]) for name, v in self.values.items()}
        return Trace(self.index, self.direction, values)

    def _of(self, name: str) -> NDArray[np.float32]:
        if name not in self.values:
            raise CarouselError(f"{self.layer} has no vector {name!r}; it has {', '.join(self.values)}.")
        return self.values[name]


@dataclass(frozen=True, repr=False)
class GateStatistics(Brief):
    """One gate of one layer over a text: per unit, the share of steps on which it was shut or open."""

    layer: int
    name: str
    mean: float
    shut: Array  # (H,)
    open: Array  # (H,)


@dataclass(frozen=True, repr=False)
class GateTimes(Brief):
    """What a state keeps of itself from step to step by its gate alone, unit by unit.

    Attributes:
        keep: (H,), the geometric mean over time of the factor (f of an LSTM, z of a GRU): exactly the product's decay.
        tau: (H,), -1 / ln keep, the steps to 1/e; inf where nothing is lost.
    """

    keep: Array
    tau: Array

    @property
    def half_life(self) -> Array:
        """(H,), ln 2 tau: the steps to one half."""
        return math.log(2) * self.tau

    @property
    def steps(self) -> Array:
        """(H,), 1 / (1 - keep): the forgetting time of Tallec and Ollivier (2018)."""
        with np.errstate(divide="ignore"):
            return 1 / (1 - self.keep)


def gates_over_time(trajectory: Trajectory, *, instances: int = 4) -> GateSeries:
    """Every gate and state of a layer at every step of the first sequences.

    Args:
        trajectory: of one layer, from `observe`.
        instances: how many sequences of the batch, the first ones.

    Raises:
        CarouselError: `trajectory` is that of a stack of layers.

    After Karpathy, Johnson and Li (2015), "Visualizing and understanding recurrent networks".

    >>> import torch
    >>> from carousel.diagnosis import gates_over_time, observe
    >>> [trajectory] = observe(torch.nn.LSTM(3, 5), torch.randn(7, 4, 3)).trajectories
    >>> series = gates_over_time(trajectory)
    >>> list(series.values), series.values["f"].shape
    (['i', 'f', 'g', 'c', 'o', 'h'], (7, 4, 5))
    """
    layer = single_layer(trajectory)
    b = min(instances, trajectory.instances)
    if not isinstance(layer, RecurrentLayer):
        states = {s: layer.part(trajectory.states[1:, :b], s).float().numpy() for s in layer.states}
        return GateSeries(layer.name, 0, "forward", states, trajectory.lengths[:b].numpy())
    steps: dict[str, list[torch.Tensor]] = {name: [] for name in layer.equations.names.values()}
    for _, at in along(layer, trajectory.inputs[:, :b], trajectory.states[:, :b]):
        for node, name in layer.equations.names.items():
            steps[name].append(at.values[node].expand(b, layer.hidden).float())
    lengths = trajectory.lengths[:b]
    outside = ~trajectory.valid[:, :b].unsqueeze(-1)
    values = {
        name: in_own_time(torch.stack(each).masked_fill(outside, torch.nan), lengths, layer).numpy()
        for name, each in steps.items()
    }
    return GateSeries(layer.name, layer.layer, layer.direction, values, lengths.numpy())


def gate_times(trajectory: Trajectory) -> dict[str, GateTimes]:
    """The time scales of a layer's gates, state by state; empty where no state keeps anything by a gate.

    The factor is exp(mean ln f) over the valid steps of the batch, not the mean of f: its power k is the exact product
    over k steps. Then tau = -1 / ln f. A forget bias b gives f = sigmoid(b) and 1 / (1 - f) = 1 + e^b (Tallec and
    Ollivier 2018).

    Args:
        trajectory: of `observe`. A stack of layers has no gates of its own: the result is empty, and nothing is raised.

    >>> import torch
    >>> from carousel.diagnosis import gate_times, observe
    >>> lstm = torch.nn.LSTM(3, 5)
    >>> for parameter in lstm.parameters():
    ...     _ = parameter.data.zero_()
    >>> [trajectory] = observe(lstm, torch.randn(50, 4, 3)).trajectories
    >>> gate_times(trajectory)["c"].steps  # f = sigmoid(0)
    array([2., 2., 2., 2., 2.])
    """
    layer = trajectory.layer
    if not isinstance(layer, RecurrentLayer):
        return {}
    at = layer.linearise(*trajectory.points(POINTS))
    found = {}
    for state in layer.states:
        kept = at.carry(state)
        if kept is not None:
            with np.errstate(divide="ignore"):
                log = np.log(np.abs(kept.numpy())).mean(axis=0)
                found[state] = GateTimes(np.exp(log), np.where(log < 0, -1 / np.minimum(log, 0), np.inf))
    return found


def gate_statistics(traces: Sequence[Trace]) -> list[GateStatistics]:
    """How often each gate is shut (< 0.1) or open (> 0.9), per layer, gate and unit.

    Source: Karpathy, Johnson and Li, "Visualizing and understanding recurrent networks" (2015), figure 3.
    """
    found = []
    for trace in sorted(traces, key=lambda each: each.layer):
        for name in (each for each in GATES if each in trace.values):
            value = flat(trace.values[name])
            shut, open_ = (value < SHUT).mean(axis=0), (value > OPEN).mean(axis=0)
            found.append(GateStatistics(trace.layer, name, float(value.mean()), shut, open_))
    return found
