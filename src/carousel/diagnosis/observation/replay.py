"""A module's steps computed anew from its equations, layer by layer, and compared with what it gave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.module_run import ModuleRun
from carousel.errors import CarouselError

FIRST_STEPS = 3  # compared; later ones of a chaotic network differ between float32 and float64 by right
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}  # of the largest output; half precision: 0.1


@dataclass(frozen=True, eq=False)
class Played:
    """Inputs (T, B, I) and states (T + 1, B, n) of one layer, in its own order of time."""

    inputs: Tensor
    states: Tensor


def replay(layers: Sequence[RecurrentLayer], run: ModuleRun) -> list[Played]:
    """The inputs and states of every layer and direction of a module."""
    x = run.inputs
    both = max(len([l for l in layers if l.layer == each.layer]) for each in layers)
    played: list[Played] = []
    for index in range(0, len(layers), both):
        outputs = []
        for number, layer in enumerate(layers[index : index + both], index):
            own = in_own_time(x, run.lengths, layer)
            states = _states(layer, own, run, number)
            played.append(Played(own, states))
            outputs.append(in_own_time(layer.output(states[1:]), run.lengths, layer))
        x = torch.cat(outputs, dim=-1) * _mask(run, outputs[0])
    _compare(x, run, layers)
    return played


def in_own_time(values: Tensor, lengths: Tensor, layer: RecurrentLayer) -> Tensor:
    """(T, B, ...) turned round within each sequence for a reverse layer; its own inverse."""
    if layer.direction == "forward":
        return values
    steps = torch.arange(values.shape[0])[:, None]
    source = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, B)
    return values[source, torch.arange(values.shape[1])]


def _mask(run: ModuleRun, like: Tensor) -> Tensor:
    steps = torch.arange(like.shape[0])[:, None]
    return (steps < run.lengths).to(like.dtype).unsqueeze(-1)


def _states(layer: RecurrentLayer, x: Tensor, run: ModuleRun, number: int) -> Tensor:
    parts = [state[number] for state in run.initial]
    if layer.projection is not None:  # h before the projection: the smallest that projects to the one given
        parts[0] = parts[0] @ torch.linalg.pinv(layer.projection).T
    s = torch.cat(parts, dim=-1)
    states = [s]
    for t in range(x.shape[0]):
        inside = (t < run.lengths).unsqueeze(-1)
        s = torch.where(inside, layer.step(x[t], s), s)
        states.append(s)
    return torch.stack(states)


def _compare(outputs: Tensor, run: ModuleRun, layers: Sequence[RecurrentLayer]) -> None:
    """The first steps of the last layer; those of a reverse layer are elsewhere, and are not looked at."""
    if not bool(torch.isfinite(outputs).all()):
        raise CarouselError(
            f"The states of {layers[0].name} grow beyond all numbers on this batch: the layer is unstable. Scale its "
            "recurrent weights down (an orthogonal start has spectral radius 1), or give a shorter batch."
        )
    if any(layer.direction == "reverse" for layer in layers) and layers[-1].layer > 0:
        return
    width = layers[-1].output(outputs.new_zeros(1, layers[-1].size)).shape[-1]
    ours, theirs = (
        each[:FIRST_STEPS, :, :width] * _mask(run, each)[:FIRST_STEPS] for each in (outputs, run.outputs)
    )
    weight = next(run.module.parameters()).dtype
    tolerance = TOLERANCE.get(weight, 0.1)
    if (
        torch.finfo(weight).eps * _largest_sum(layers, run) > tolerance
    ):  # the module's own rounding: nothing is shown
        return
    there = torch.isfinite(theirs)  # float32 may overflow where what is replayed does not
    allowed = tolerance * max(1.0, float(theirs[there].abs().amax()) if there.any() else 0.0)
    off = float((ours - theirs)[there].abs().amax()) if there.any() else 0.0
    if not off <= allowed:
        raise CarouselError(
            f"{run.path or type(run.module).__name__} does not compute what the equations of a "
            f"{layers[0].equations.title} say: its output differs by {off:.3g}. A module that overrides forward, or is "
            "changed by hooks, cannot be read from its weights; write its cell as a carousel.Cell instead."
        )


def _largest_sum(layers: Sequence[RecurrentLayer], run: ModuleRun) -> float:
    """How large what goes into an activation can be, when states are about 1."""
    rows = [
        value.abs().sum(dim=1).max()
        for each in layers
        for value in each.parameters.values()
        if value.dim() == 2
    ]
    return float(torch.stack(rows).max()) * max(1.0, float(run.inputs.abs().max()))
