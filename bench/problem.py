"""One thing to compute, the same numbers for every contender; and the check that all computed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import carousel
from bench.cells import Cell
from bench.shapes import Shape, flops
from carousel.nn import Recurrent

# Runs once, and returns the output (T, B, H) and, with backward, the gradient of x (T, B, I).
Call = Callable[[], Sequence[object]]


@dataclass(frozen=True)
class Problem:
    """module: ours, whose weights the peers take; gradient: that of the output, (T, B, H)."""

    cell: Cell
    shape: Shape
    backward: bool
    module: Recurrent
    x: Tensor
    gradient: Tensor

    @property
    def flops(self) -> int:
        return flops(self.shape, self.cell.gates, self.backward)

    @property
    def weights(self) -> dict[str, Tensor]:
        """weight_ih (G H, I), weight_hh (G H, H), both biases (G H), perhaps weight_peephole (3, H)."""
        return {
            name.removesuffix("_l0"): value.detach().clone() for name, value in self.module.named_parameters()
        }


def problem(cell: Cell, shape: Shape, backward: bool) -> Problem:
    generator = torch.Generator().manual_seed(0)
    size = (shape.time, shape.batch, shape.hidden)
    module = getattr(carousel, cell.module)(shape.hidden, shape.hidden, **cell.options).train(backward)
    x, gradient = (torch.randn(size, generator=generator) for _ in range(2))
    return Problem(cell, shape, backward, module, x.requires_grad_(backward), gradient)


def check_agreement(results: Mapping[str, Sequence[object]], tolerance: float = 2e-3) -> None:
    """A contender that computes something else is not timed.

    Raises:
        RuntimeError: a result is further from the first contender's than `tolerance` of its largest value.
    """
    first, *others = results
    expected = [_array(value) for value in results[first]]
    for name in others:
        for ours, theirs in zip(expected, map(_array, results[name]), strict=True):
            error = float(np.abs(ours - theirs.reshape(ours.shape)).max() / np.abs(ours).max())
            if not error <= tolerance:
                raise RuntimeError(
                    f"Contenders must compute the same to {tolerance:g}; {name} is {error:.2g} from {first}. "
                    "Correct the peer in bench/peers before timing it."
                )


def _array(value: object) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
