"""Resets: the steps before which the state becomes zero, as between episodes or documents in a sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.errors import CarouselError
from carousel.nn.lengths import Ragged
from carousel.nn.sequence_layout import Packed, Padded

Resets = Tensor | PackedSequence
StepMasks = tuple[Tensor | None, Tensor | None]  # of the forward and of the reverse direction


def open_resets(resets: Resets | None, sequence: Padded | Packed | Ragged, both: bool) -> StepMasks:
    """Before which steps each direction starts from zero; the reverse mask only if there are `both`."""
    if resets is None:
        return None, None
    mask = sequence.mask_in(checked_resets(resets, sequence))
    return mask, before_the_step_below(mask, sequence.batch, sequence.batch_sizes) if both else None


def before_the_step_below(mask: Tensor, batch: int, batch_sizes: Tensor | None) -> Tensor:
    """The mask of the reverse direction: its boundary between the steps t - 1 and t lies before step t - 1.

    mask: (T, B), or packed (N,) with the number of rows of each step. The reverse direction starts from its initial
    state at the last step of a sequence, which has no boundary behind it.
    """
    if batch_sizes is None:
        return torch.cat([mask[1:], torch.zeros_like(mask[:1])])
    rest = mask.shape[0] - batch
    back = torch.repeat_interleave(batch_sizes[:-1], batch_sizes[1:], output_size=rest)
    below = (torch.arange(rest) + batch - back).to(mask.device)
    return torch.zeros_like(mask).index_copy(0, below, mask[batch:])


def checked_resets(resets: Resets, sequence: Padded | Packed | Ragged) -> Tensor:
    """The mask as one tensor of `sequence.mask_shape`."""
    mask = _packed_alike(resets, sequence) if isinstance(sequence, Packed) else resets
    return checked_steps("resets", mask, sequence, "before which the state becomes zero")


def checked_steps(name: str, mask: Any, sequence: Padded | Packed | Ragged, which: str) -> Tensor:
    """A mask that is true at some of the steps; `which` says at which, for the error."""
    shape, device = sequence.mask_shape, sequence.x.device
    if not isinstance(mask, Tensor):
        given = f"a {type(mask).__name__}"
    elif mask.dtype != torch.bool or tuple(mask.shape) != shape or mask.device != device:
        given = f"{tuple(mask.shape)} in {mask.dtype} on {mask.device}"
    else:
        return mask
    raise CarouselError(
        f"{name} must be a bool tensor of shape {shape} on {device}, true at the steps {which}; it is {given}."
    )


def _packed_alike(resets: Any, sequence: Packed) -> Tensor:
    if not isinstance(resets, PackedSequence):
        raise CarouselError(
            "With a PackedSequence resets must be one too, of bool, packed as the input is; "
            f"it is a {type(resets).__name__}."
        )
    if not (
        torch.equal(resets.batch_sizes, sequence.batch_sizes)
        and _same_order(resets.sorted_indices, sequence.sorted_indices)
    ):
        raise CarouselError(
            "resets must be packed as the input is, with the same lengths in the same order; its batch_sizes or "
            "sorted_indices differ from those of the input."
        )
    return resets.data


def _same_order(one: Tensor | None, other: Tensor | None) -> bool:
    """None stands for sequences that were given longest first."""
    if one is None or other is None:
        given = other if one is None else one
        return given is None or torch.equal(given, torch.arange(len(given), device=given.device))
    return torch.equal(one, other)
