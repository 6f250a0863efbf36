"""The tangent maps of a layer at every step of some sequences, many steps at a time."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.linearisation import Linearisation

TOGETHER = (
    1024  # points: 200 steps of 4 sequences of an LSTM of 512 units take a third of the time of one by one
)


def along(
    layer: RecurrentLayer, inputs: Tensor, states: Tensor, *, backwards: bool = False
) -> Iterator[tuple[int, Linearisation]]:
    """(t, the maps of step t of B sequences) for every step, first to last or last to first.

    inputs: (T, B, I); states: the state before each step, (T, B, n) or longer.
    """
    total, batch = inputs.shape[:2]
    size = max(1, TOGETHER // batch)
    starts = range(0, total, size)
    for start in reversed(starts) if backwards else starts:
        stop = min(start + size, total)
        whole = layer.linearise(inputs[start:stop].flatten(0, 1), states[start:stop].flatten(0, 1))
        steps = range(stop - start)
        for t in reversed(steps) if backwards else steps:
            yield start + t, whole.at(slice(t * batch, (t + 1) * batch))
