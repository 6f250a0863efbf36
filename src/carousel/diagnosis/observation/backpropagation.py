"""The gradient of the loss at every state of every layer of a module, however small, from the equations themselves.

The model's own backward pass says what the loss asks of the module's outputs; from there on it is carried from step to
step and from layer to layer with a logarithm beside it, where float32 would end at 1e-38 and float64 at 1e-308.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from carousel.diagnosis.observation.layers import RecurrentLayer, along
from carousel.diagnosis.observation.module_run import ModuleRun
from carousel.diagnosis.observation.replay import Played, in_own_time
from carousel.diagnosis.observation.scaled import Scaled


@dataclass(frozen=True, eq=False)
class StateGradient:
    """dL/ds of one layer at each of its T + 1 states, (T + 1, B, n), in its own order of time.

    `whole` counts all that a state does; `onward` leaves out what the layer above reads at the same step, which
    is the gradient of a state of the whole stack.
    """

    whole: Scaled
    onward: Scaled


def back_through(
    layers: Sequence[RecurrentLayer], played: Sequence[Played], run: ModuleRun
) -> list[StateGradient]:
    """The gradient of every state of every layer and direction of a module."""
    directions = sum(layer.layer == 0 for layer in layers)
    found: dict[int, StateGradient] = {}
    above = Scaled.of(
        run.output_gradient
    )  # dL/d(output of this level), (T, B, D H) in the order of the sequence
    for first in range(len(layers) - directions, -1, -directions):
        width = above.unit.shape[-1] // directions
        below: Scaled | None = None
        for direction in range(directions):
            number = first + direction
            layer = layers[number]
            asked = _scaled(above.part(direction * width, (direction + 1) * width), run, layer)
            is_top = first + directions == len(layers)
            found[number], to_inputs = _sweep(
                layer, played[number], _on_states(asked, layer), _at_ends(run, layer, number), is_top
            )
            to_inputs = _scaled(to_inputs, run, layer)
            below = to_inputs if below is None else below + to_inputs
        above = below if below is not None else above
    return [found[number] for number in range(len(layers))]


def _sweep(
    layer: RecurrentLayer, played: Played, above: Scaled, ends: Scaled, is_top: bool
) -> tuple[StateGradient, Scaled]:
    """From the last step to the first: the gradient of each state, and that of each input."""
    steps = played.inputs.shape[0]
    onward = [ends.at(steps)]
    whole = [above.at(steps) + onward[-1]]
    inputs = []
    for t, at in along(layer, played.inputs, played.states, backwards=True):
        after = whole[-1]
        ds, dx = at.pull_back(after.unit)
        inputs.append(Scaled.of(dx, after.log))
        onward.append(ends.at(t) + Scaled.of(ds, after.log))
        whole.append(above.at(t) + onward[-1])
    total = _stacked(whole[::-1])
    return StateGradient(total, total if is_top else _stacked(onward[::-1])), _stacked(inputs[::-1])


def _stacked(parts: Sequence[Scaled]) -> Scaled:
    return Scaled(torch.stack([part.unit for part in parts]), torch.stack([part.log for part in parts]))


def _scaled(gradient: Scaled, run: ModuleRun, layer: RecurrentLayer) -> Scaled:
    """Turned round for a reverse layer, to its own order of time or back."""
    unit = in_own_time(gradient.unit, run.lengths, layer)
    return Scaled(unit, in_own_time(gradient.log, run.lengths, layer))


def _on_states(asked: Scaled, layer: RecurrentLayer) -> Scaled:
    """A gradient of the outputs, (T, B, width), as one of the full states, (T + 1, B, n)."""
    on_h = asked.unit if layer.projection is None else asked.unit @ layer.projection
    time, batch = on_h.shape[:2]
    values = on_h.new_zeros(time + 1, batch, layer.size)
    values[1:, :, : layer.hidden] = on_h
    return Scaled.of(values, torch.cat([asked.log.new_zeros(1, batch), asked.log]))


def _at_ends(run: ModuleRun, layer: RecurrentLayer, number: int) -> Scaled:
    """What the loss asks of the states that calls of the module returned, as (T + 1, B, n)."""
    time, batch = run.inputs.shape[:2]
    values = run.inputs.new_zeros(time + 1, batch, layer.size)
    rows = torch.arange(batch)
    for end, states in run.state_gradients.items():
        parts = [state[number] for state in states]
        if layer.projection is not None:
            parts[0] = parts[0] @ layer.projection
        values[torch.clamp(run.lengths, max=end), rows] += torch.cat(parts, dim=-1)
    return Scaled.of(values)
