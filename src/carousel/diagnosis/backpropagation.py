"""The gradient of the loss at every state of every layer of a module, however small, from the equations themselves.

The model's own backward pass says what the loss asks of the module's outputs; from there on it is carried from step to
step and from layer to layer with a logarithm beside it, where float32 would end at 1e-38 and float64 at 1e-308.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from carousel.diagnosis.calls import Passage
from carousel.diagnosis.layers import RecurrentLayer
from carousel.diagnosis.replay import Played, in_own_time
from carousel.diagnosis.scaled import Scaled


def back_through(
    layers: Sequence[RecurrentLayer], played: Sequence[Played], passage: Passage
) -> list[Scaled]:
    """dL/ds of each layer at each of its T + 1 states, (T + 1, B, n), in its own order of time."""
    directions = sum(layer.layer == 0 for layer in layers)
    found: list[Scaled] = [Scaled.zeros((0,), passage.inputs)] * len(layers)
    above = Scaled.of(
        passage.output_gradient
    )  # dL/d(output of this level), (T, B, D H) in the order of the sequence
    for first in range(len(layers) - directions, -1, -directions):
        width = above.unit.shape[-1] // directions
        below: Scaled | None = None
        for direction in range(directions):
            number = first + direction
            layer = layers[number]
            asked = _scaled(above.part(direction * width, (direction + 1) * width), passage, layer)
            direct = _on_states(asked, layer) + _at_ends(passage, layer, number)
            found[number], to_inputs = _sweep(layer, played[number], direct)
            to_inputs = _scaled(to_inputs, passage, layer)
            below = to_inputs if below is None else below + to_inputs
        above = below if below is not None else above
    return found


def _sweep(layer: RecurrentLayer, played: Played, direct: Scaled) -> tuple[Scaled, Scaled]:
    """From the last step to the first: the whole gradient of each state, and that of each input."""
    steps = played.inputs.shape[0]
    whole, inputs = [Scaled(direct.unit[steps], direct.log[steps])], []
    for t in reversed(range(steps)):
        after = whole[-1]
        ds, dx = layer.linearise(played.inputs[t], played.states[t]).pull_back(after.unit)
        inputs.append(Scaled.of(dx, after.log))
        whole.append(Scaled(direct.unit[t], direct.log[t]) + Scaled.of(ds, after.log))
    return _stacked(whole[::-1]), _stacked(inputs[::-1])


def _stacked(parts: Sequence[Scaled]) -> Scaled:
    return Scaled(torch.stack([part.unit for part in parts]), torch.stack([part.log for part in parts]))


def _scaled(gradient: Scaled, passage: Passage, layer: RecurrentLayer) -> Scaled:
    """Turned round for a reverse layer, to its own order of time or back."""
    unit = in_own_time(gradient.unit, passage.lengths, layer)
    return Scaled(unit, in_own_time(gradient.log, passage.lengths, layer))


def _on_states(asked: Scaled, layer: RecurrentLayer) -> Scaled:
    """A gradient of the outputs, (T, B, width), as one of the full states, (T + 1, B, n)."""
    on_h = asked.unit if layer.projection is None else asked.unit @ layer.projection
    time, batch = on_h.shape[:2]
    values = on_h.new_zeros(time + 1, batch, layer.size)
    values[1:, :, : layer.hidden] = on_h
    return Scaled.of(values, torch.cat([asked.log.new_zeros(1, batch), asked.log]))


def _at_ends(passage: Passage, layer: RecurrentLayer, number: int) -> Scaled:
    """What the loss asks of the states that calls of the module returned, as (T + 1, B, n)."""
    time, batch = passage.inputs.shape[:2]
    values = passage.inputs.new_zeros(time + 1, batch, layer.size)
    rows = torch.arange(batch)
    for end, states in passage.state_gradients.items():
        parts = [state[number] for state in states]
        if layer.projection is not None:
            parts[0] = parts[0] @ layer.projection
        values[torch.clamp(passage.lengths, max=end), rows] += torch.cat(parts, dim=-1)
    return Scaled.of(values)
