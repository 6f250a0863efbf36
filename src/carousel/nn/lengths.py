"""A batch of sequences of different lengths, given as a padded tensor and the length of each."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.errors import CarouselError
from carousel.nn.sequence_layout import Packed, Padded, Unpadded, open_sequence
from carousel.ops.packing import check_lengths, pack, packing
from carousel.ops.transforms import runs_eagerly, transformed

Lengths = Tensor | Iterable[int]


class Ragged(Unpadded):
    """A padded tensor of which only the first steps of each sequence count.

    One indexing brings the steps that count into the order of a PackedSequence, and another brings the outputs back.
    Padding is neither read nor computed.
    """

    def __init__(self, input: Tensor, lengths: Tensor, batch_first: bool) -> None:
        """`lengths`: (B,), int64 on the CPU, each from 1 to T."""
        self.frame = input.shape[:2]
        self.batch = lengths.shape[0]  # len() would fix it in an exported graph
        find = packing if torch.compiler.is_compiling() else pack
        self.batch_sizes, rows, order = find(lengths, input.shape[1 if batch_first else 0], batch_first)
        self._rows = rows.to(input.device)
        self.sorted_indices = order.to(input.device)
        self.unsorted_indices = torch.argsort(order).to(input.device)
        self.x = self.mask_in(input)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        return tuple(self.frame)

    def mask_in(self, mask: Tensor) -> Tensor:
        """A value for each step of the padded input -> one row for each step that counts."""
        rows = mask.flatten(0, 1)
        if rows.requires_grad and runs_eagerly([rows]) and not transformed():
            return _Gather.apply(rows, self._rows)
        return rows.index_select(0, self._rows)

    def out(self, output: Tensor) -> Tensor:
        """(N, H) -> the layout of the input, with zeros after each sequence's end."""
        rows = output.new_zeros(self.frame[0] * self.frame[1], output.shape[-1])
        return rows.index_copy_(0, self._rows, output).unflatten(0, self.frame)


class _Gather(torch.autograd.Function):
    """`x.index_select(0, rows)` for distinct rows: gradients are copied back, where torch would add them up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.height = len(x)
        return x.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.height, *gradient.shape[1:]).index_copy_(0, rows, gradient), None


def open_sequences(
    input: Tensor | PackedSequence, batch_first: bool, lengths: Lengths | None
) -> Padded | Packed | Ragged:
    """The input in the layout in which layers compute; it is padded if every sequence has every step."""
    sequence = open_sequence(input, batch_first)
    if lengths is None:
        return sequence
    numbers = checked_lengths(lengths, input, sequence)
    if not torch.compiler.is_compiling() and all(n == sequence.x.shape[0] for n in numbers.tolist()):
        return sequence
    return Ragged(input, numbers, batch_first)  # type: ignore[arg-type]  # checked to be a tensor


def checked_lengths(lengths: Lengths, input: Tensor | PackedSequence, sequence: Padded | Packed) -> Tensor:
    """(B,), int64 on the CPU, each from 0 to T."""
    if not isinstance(input, Tensor):
        raise CarouselError(
            "lengths go with a padded tensor, and the input is a PackedSequence, which has its own. Leave lengths out."
        )
    if input.dim() == 2:
        raise CarouselError(
            f"lengths go with a batch of sequences; the input is one sequence, {tuple(input.shape)}. "
            "Cut it: input[:length]."
        )
    batch, time = sequence.batch, sequence.x.shape[0]
    numbers = _integers(lengths)
    if numbers.shape != (batch,):
        raise CarouselError(
            f"lengths must hold one number for each of the {batch} sequences, shape ({batch},); "
            f"the shape is {tuple(numbers.shape)}."
        )
    if not torch.compiler.is_compiling():
        check_lengths(numbers, time, least=0)
    return numbers


def _integers(lengths: Any) -> Tensor:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
            raise CarouselError(f"lengths must be whole numbers; the tensor has dtype {lengths.dtype}.")
        return lengths.to("cpu", torch.int64)
    try:
        return torch.tensor([operator.index(length) for length in lengths], dtype=torch.int64)
    except TypeError as error:
        raise CarouselError(
            f"lengths must be whole numbers, in a list or a tensor; they are {lengths!r}."
        ) from error
