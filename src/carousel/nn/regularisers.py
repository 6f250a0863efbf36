"""Dropout for sequences: one mask for all steps of a sequence, and dropped weights.

Masks are drawn at every call in training mode, and are off in eval mode. Kept values are divided by the share that is
kept, so that means do not change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.errors import CarouselError
from carousel.nn.options import share, switch
from carousel.nn.random_numbers import own_generator
from carousel.ops.transforms import transformed


class RegulariserOptions(TypedDict, total=False):
    """The keyword arguments of every recurrent module that set its regularisers."""

    locked_dropout: bool
    weight_drop: float
    recurrent_dropout: float


@dataclass(frozen=True)
class Regularisers:
    """What a recurrent module does only in training mode.

    locked_dropout: between layers one mask for all steps (Gal & Ghahramani 2016), not one for each.
    weight_drop: the share of the numbers in recurrent matrices set to 0 (Merity et al. 2018).
    recurrent_dropout: the share of h that no recurrent product sees, by a mask that all steps of a sequence
        share (Gal & Ghahramani 2016); each sequence of the batch has its own.
    """

    locked_dropout: bool = False
    weight_drop: float = 0.0
    recurrent_dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "locked_dropout", switch("locked_dropout", self.locked_dropout))
        for name in ("weight_drop", "recurrent_dropout"):
            value = share(name, getattr(self, name))
            if value == 1:
                raise CarouselError(f"{name} must be below 1, the share of values set to 0; it is {value}.")
            object.__setattr__(self, name, value)

    def weights(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """A layer's parameters by their names in the cell, with numbers of recurrent matrices dropped."""
        if self.weight_drop == 0:
            return parameters
        return {
            name: dropped(value, self.weight_drop) if _is_recurrent(name) else value
            for name, value in parameters.items()
        }

    def mask(self, state: Tensor) -> Tensor:
        """The mask of `recurrent_dropout` for states like this one, (B, H)."""
        return kept(state.shape, self.recurrent_dropout, state)


def kept(shape: torch.Size | tuple[int, ...], share: float, like: Tensor) -> Tensor:
    """1 / (share kept) where a value is kept, 0 where it is dropped.

    On the CPU four values share one random number, 16 bits each, because drawing is most of the cost of a mask: for
    (64, 32, 256) values, `bernoulli_` takes 5.1 ms and this function 1.7 ms. Shares are rounded to whole 65,536ths.
    """
    if torch.compiler.is_compiling() or transformed():
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - share).div_(1 - share)
    own = own_generator()
    if like.device.type != "cpu":
        drawn = torch.empty(shape, dtype=like.dtype, device=like.device)
        return drawn.bernoulli_(1 - share, generator=own).div_(1 - share)
    numbers = math.prod(shape)
    drawn = torch.empty(-(-numbers // 4), dtype=torch.int64).random_(-(2**63), None, generator=own)
    dropped = min(round(share * 2**16), 2**16 - 1)  # of the 65,536 numbers of 16 bits, the lowest
    keep = drawn.view(torch.int16)[:numbers].view(shape) >= dropped - 2**15
    return keep.to(like.dtype).mul_(2**16 / (2**16 - dropped))


def dropped(x: Tensor, share: float) -> Tensor:
    """Drop each value independently, as torch's dropout does, with the random numbers of `kept`."""
    return x if share == 0 else x * kept(x.shape, share, x)


def dropout(x: Tensor, share: float) -> Tensor:
    """torch's dropout with torch's random numbers; inside `drawing_from`, `dropped`."""
    if torch.compiler.is_compiling() or own_generator() is None:
        return F.dropout(x, share)
    return dropped(x, share)


def locked(x: Tensor, share: float, batch_sizes: Tensor | None = None) -> Tensor:
    """Drop the same values of a sequence at all of its steps: x (T, B, F), or packed (N, F)."""
    if share == 0:
        return x
    if batch_sizes is None:
        return x * kept((1, *x.shape[1:]), share, x)
    rows = torch.cat([torch.arange(size, device=x.device) for size in batch_sizes.tolist()])
    return x * kept((int(batch_sizes[0]), x.shape[-1]), share, x)[rows]


def _is_recurrent(name: str) -> bool:
    return name.startswith("weight_") and name not in ("weight_ih", "weight_hr", "weight_peephole")
