"""Gates and states at every step of a batch, ready to be drawn on a text or a series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.text_properties import Property
from carousel.diagnosis.measures.units import Unit, informative_units
from carousel.diagnosis.observation.layers import along
from carousel.diagnosis.observation.replay import in_own_time
from carousel.diagnosis.observation.stack import LayerStack
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.nn.trace import Trace


@dataclass(frozen=True, repr=False)
class GateSeries(Brief):
    """Every named vector of a layer over some sequences, in the order of the sequence (also for a reverse layer).

    Attributes:
        layer, index, direction: its name, its number in the module, "forward" or "reverse".
        values: name in the equations ("i", "f", "c", "h") -> (T, B, H); NaN after a sequence's end.
        lengths: (B,).
    """

    layer: str
    index: int
    direction: str
    values: dict[str, NDArray[np.float32]]
    lengths: NDArray[np.int64]

    def mean(self, name: str) -> NDArray[np.float32]:
        """The mean over units, (T, B)."""
        return self._of(name).mean(axis=-1)

    def quantiles(self, name: str, q: tuple[float, ...] = (0.1, 0.5, 0.9)) -> NDArray[np.float64]:
        """Quantiles over units, (len(q), T, B)."""
        return np.quantile(self._of(name), q, axis=-1)

    def units(self, name: str, units: list[int], sequence: int = 0) -> NDArray[np.float32]:
        """Chosen units over one sequence, (its length, len(units))."""
        return self._of(name)[: self.lengths[sequence], sequence][:, units]

    def trace(self, sequence: int = 0) -> Trace:
        """One sequence as `module.trace` gives it, for `informative_units` and `strips`."""
        length = int(self.lengths[sequence])
        values = {name: torch.from_numpy(v[:length, sequence]) for name, v in self.values.items()}
        return Trace(self.index, self.direction, values)

    def _of(self, name: str) -> NDArray[np.float32]:
        if name not in self.values:
            raise CarouselError(f"{self.layer} has no vector {name!r}; it has {', '.join(self.values)}.")
        return self.values[name]


def gates_over_time(trajectory: Trajectory, *, instances: int = 4) -> GateSeries:
    """Every gate and state of a layer at every step of the first sequences.

    >>> import torch
    >>> from carousel.diagnosis import gates_over_time, observe
    >>> [trajectory] = observe(torch.nn.LSTM(3, 5), torch.randn(7, 4, 3)).trajectories
    >>> series = gates_over_time(trajectory)
    >>> list(series.values), series.mean("f").shape
    (['i', 'f', 'g', 'c', 'o', 'h'], (7, 4))
    """
    layer = trajectory.layer
    if isinstance(layer, LayerStack):
        raise CarouselError("Gates are those of one layer; take the layers of the stack one by one.")
    b = min(instances, trajectory.instances)
    steps: dict[str, list[torch.Tensor]] = {name: [] for name in layer.equations.names.values()}
    for _, at in along(layer, trajectory.inputs[:, :b], trajectory.states[:, :b]):
        for node, name in layer.equations.names.items():
            steps[name].append(at.values[node].expand(b, layer.hidden).float())
    lengths = trajectory.lengths[:b]
    outside = ~trajectory.valid[:, :b].unsqueeze(-1)
    values = {}
    for name, each in steps.items():
        inside = torch.stack(each).masked_fill(outside, torch.nan)
        values[name] = in_own_time(inside, lengths, layer).numpy()
    return GateSeries(layer.name, layer.layer, layer.direction, values, lengths.numpy())


def tracking_units(
    series: list[GateSeries], properties: list[Property], *, sequence: int = 0, number: int = 6
) -> list[Unit]:
    """Units ranked by how well they follow something with a name, over one sequence; see `informative_units`.

    Args:
        series: of forward layers. properties: T values each: of a text by `text_properties`, of a series your own.

    Raises:
        CarouselError: properties and sequence differ in length.
    """
    return informative_units([each.trace(sequence) for each in series], properties, number)
