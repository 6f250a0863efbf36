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
class Replayed:
    """Inputs (T, B, I) and states (T + 1, B, n) of one layer, in its own order of time."""

    inputs: Tensor
    states: Tensor


def replay(layers: Sequence[RecurrentLayer], run: ModuleRun) -> list[Replayed]:
    """The inputs and states of every layer and direction of a module."""
    x = run.inputs
    both = sum(layer.layer == 0 for layer in layers)
    replayed: list[Replayed] = []
    for index in range(0, len(layers), both):
        outputs = []
        for number, layer in enumerate(layers[index : index + both], index):
            own = in_own_time(x, run.lengths, layer)
            states = _states(layer, own, run, number)
            replayed.append(Replayed(own, states))
            outputs.append(in_own_time(layer.output(states[1:]), run.lengths, layer))
        x = torch.cat(outputs, dim=-1) * _mask(run, outputs[0])
    _compare(x, run, layers)
    return replayed


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
            f"States must stay finite; those of {layers[0].name} grow beyond all numbers on this batch, because the "
            "layer is unstable. Scale its recurrent weights down (an orthogonal start has spectral radius 1), or pass "
            "a shorter batch."
        )
    if any(layer.direction == "reverse" for layer in layers) and layers[-1].layer > 0:
        return
    width = layers[-1].output(outputs.new_zeros(1, layers[-1].size)).shape[-1]
    mask = _mask(run, outputs)
    ours, theirs = ((each * mask)[:FIRST_STEPS, :, :width] for each in (outputs, run.outputs))
    weight = torch.bfloat16 if run.autocast else next(run.module.parameters()).dtype
    tolerance = TOLERANCE.get(weight, 0.1)
    if (
        torch.finfo(weight).eps * _largest_sum(layers, run) > tolerance
    ):  # the module's own rounding: nothing is shown
        return
    there = torch.isfinite(theirs)  # float32 may overflow where what is replayed does not
    if not there.any():
        return
    off = float((ours - theirs)[there].abs().amax())
    if not off <= tolerance * max(1.0, float(theirs[there].abs().amax())):
        raise CarouselError(
            f"{run.path or type(run.module).__name__} must compute the equations of a {layers[0].equations.title}; its "
            f"output differs by {off:.3g}. A module that overrides forward, or is changed by hooks, cannot be read "
            "from its weights. Write its cell as a carousel.Cell instead."
        )


def _largest_sum(layers: Sequence[RecurrentLayer], run: ModuleRun) -> float:
    """How large what goes into an activation can be, when states are about 1."""
    matrices = [value for each in layers for value in each.parameters.values() if value.dim() == 2]
    largest = max(float(value.abs().sum(dim=1).max()) for value in matrices)
    return largest * max(1.0, float(run.inputs.abs().max()))
