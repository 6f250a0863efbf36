"""The gradient of the loss at every state of every layer of a module, however small, from the equations themselves.

The model's own backward pass says what the loss asks of the module's outputs; from there on it is carried from step to
step and from layer to layer with a logarithm beside it, where float32 would end at 1e-38 and float64 at 1e-308.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch

from carousel.diagnosis.observation.layers import RecurrentLayer, along
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.module_run import ModuleRun
from carousel.diagnosis.observation.replay import Replayed, in_own_time


@dataclass(frozen=True, eq=False)
class StateGradient:
    """dL/ds of one layer at each of its T + 1 states, (T + 1, B, n), in its own order of time.

    `whole` counts all that a state does; `onward` leaves out what the layer above reads at the same step, which
    is the gradient of a state of the whole stack.
    """

    whole: LogScaled
    onward: LogScaled


def back_through(
    layers: Sequence[RecurrentLayer], replayed: Sequence[Replayed], run: ModuleRun
) -> list[StateGradient]:
    """The gradient of every state of every layer and direction of a module."""
    directions = sum(layer.layer == 0 for layer in layers)
    found: dict[int, StateGradient] = {}
    above = LogScaled.of(
        run.output_gradient
    )  # dL/d(output of this level), (T, B, D H), in the order of the sequence
    for first in range(len(layers) - directions, -1, -directions):
        width = above.unit.shape[-1] // directions
        sent = []
        for direction in range(directions):
            number = first + direction
            layer = layers[number]
            asked = _turned(above.part(direction * width, (direction + 1) * width), run, layer)
            is_top = first + directions == len(layers)
            found[number], to_inputs = _sweep(
                layer, replayed[number], _on_states(asked, layer), _at_ends(run, layer, number), is_top
            )
            sent.append(_turned(to_inputs, run, layer))
        above = reduce(add, sent)
    return [found[number] for number in range(len(layers))]


def _sweep(
    layer: RecurrentLayer, replayed: Replayed, above: LogScaled, ends: LogScaled, is_top: bool
) -> tuple[StateGradient, LogScaled]:
    """From the last step to the first: the gradient of each state, and that of each input."""
    steps = replayed.inputs.shape[0]
    onward = [ends[steps]]
    whole = [above[steps] + onward[-1]]
    inputs = []
    for t, at in along(layer, replayed.inputs, replayed.states, backwards=True):
        after = whole[-1]
        ds, dx = at.pull_back(after.unit)
        inputs.append(LogScaled.of(dx, after.log))
        onward.append(ends[t] + LogScaled.of(ds, after.log))
        whole.append(above[t] + onward[-1])
    total, rest, to_inputs = (LogScaled.joined(each[::-1], torch.stack) for each in (whole, onward, inputs))
    return StateGradient(total, total if is_top else rest), to_inputs


def _turned(gradient: LogScaled, run: ModuleRun, layer: RecurrentLayer) -> LogScaled:
    """Turned round for a reverse layer, to its own order of time or back."""
    return LogScaled(*(in_own_time(each, run.lengths, layer) for each in (gradient.unit, gradient.log)))


def _on_states(asked: LogScaled, layer: RecurrentLayer) -> LogScaled:
    """A gradient of the outputs, (T, B, width), as one of the full states, (T + 1, B, n)."""
    values = layer.from_output(asked.unit)
    return LogScaled.of(
        torch.cat([values.new_zeros(1, *values.shape[1:]), values]),
        torch.cat([torch.zeros_like(asked.log[:1]), asked.log]),
    )


def _at_ends(run: ModuleRun, layer: RecurrentLayer, number: int) -> LogScaled:
    """What the loss asks of the states that calls of the module returned, as (T + 1, B, n)."""
    time, batch = run.inputs.shape[:2]
    values = run.inputs.new_zeros(time + 1, batch, layer.size)
    for end, (h, *others) in run.state_gradients.items():
        full = layer.from_output(h[number])
        full[..., layer.hidden :] = torch.cat(
            [h.new_zeros(batch, 0), *(each[number] for each in others)], dim=-1
        )
        values[torch.clamp(run.lengths, max=end), torch.arange(batch)] += full
    return LogScaled.of(values)
