"""Lengths of a padded batch -> the rows of its packed form, as one torch operator, `carousel::packing`."""

from __future__ import annotations

import torch
from torch import Tensor

from carousel.errors import CarouselError


def pack(lengths: Tensor, time: int, batch_first: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The packed form of a padded batch with these lengths, (B,), int64 on the CPU, each from 1 to `time`.

    Returns how many sequences have each step; the row of the padded input for each step that counts, in the order of a
    PackedSequence; and the order of the sequences, longest first.
    """
    lengths, order = torch.sort(lengths, descending=True, stable=True)
    counts = torch.arange(int(lengths[0]))[:, None] < lengths
    step, rank = counts.nonzero().unbind(dim=1)
    sequence = order[rank]
    rows = sequence * time + step if batch_first else step * len(lengths) + sequence
    return counts.sum(dim=1), rows, order


def check_lengths(lengths: Tensor, time: int, least: int = 1) -> None:
    """Raises CarouselError if a length is not from `least` to `time`."""
    for index, length in enumerate(lengths.tolist()):
        if not least <= length <= time:
            advice = (
                " A compiled or exported graph takes no empty sequences; leave them out."
                if length == 0
                else ""
            )
            raise CarouselError(
                f"lengths must be from {least} to the {time} steps of the input; lengths[{index}] is {length}.{advice}"
            )


# one node of a compiled graph for all values of `lengths`, which are checked when the graph runs
@torch.library.custom_op("carousel::packing", mutates_args=())
def packing(lengths: Tensor, time: int, batch_first: bool) -> tuple[Tensor, Tensor, Tensor]:
    _check_form(lengths)
    if not lengths.is_cpu or not lengths.numel():
        raise CarouselError(
            f"packing takes at least one length, on the CPU; it got {lengths.numel()} on {lengths.device}."
        )
    check_lengths(lengths, time)
    return pack(lengths, time, batch_first)


@packing.register_fake
def _(lengths: Tensor, time: int, batch_first: bool) -> tuple[Tensor, Tensor, Tensor]:
    _check_form(lengths)
    context = torch.library.get_ctx()
    steps, rows = context.new_dynamic_size(min=1), context.new_dynamic_size(min=1)
    return lengths.new_empty(steps), lengths.new_empty(rows), torch.empty_like(lengths)


def _check_form(lengths: Tensor) -> None:
    if lengths.dim() != 1 or lengths.dtype != torch.int64:
        raise CarouselError(
            f"packing takes lengths (B,) in torch.int64; it got {tuple(lengths.shape)} in {lengths.dtype}."
        )
