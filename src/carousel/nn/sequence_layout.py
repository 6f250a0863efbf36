"""The layouts of a sequence outside a module: a tensor with or without a batch, or torch's PackedSequence.

Inside, a sequence is (T, B, I), or packed (N, I) with the number of rows of each step; a state is (L, B, H),
where L counts layers and directions; a mask is (T, B), or packed (N,).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.errors import CarouselError


class Padded:
    """A tensor: (T, B, I), (B, T, I) with batch_first, or one sequence (T, I)."""

    batch_sizes: Tensor | None = None

    def __init__(self, input: Tensor, batch_first: bool) -> None:
        if input.dim() not in (2, 3):
            form = "(B, T, I)" if batch_first else "(T, B, I)"
            raise CarouselError(
                f"input must have 3 dimensions, {form}, or 2 for one sequence, (T, I); "
                f"it has {input.dim()}: {tuple(input.shape)}."
            )
        self.batched = input.dim() == 3
        self.transposed = self.batched and batch_first
        self.mask_shape = tuple(input.shape[:-1])
        self.x = self.mask_in(input)
        if self.x.shape[0] == 0:
            raise CarouselError(
                f"input must have at least one time step; its shape is {tuple(input.shape)}. "
                "Leave empty sequences out."
            )

    @property
    def batch(self) -> int:
        return self.x.shape[1]

    def mask_in(self, mask: Tensor) -> Tensor:
        """A value for each step, in the layout of the input -> time first, with a batch."""
        return mask.transpose(0, 1) if self.transposed else mask if self.batched else mask.unsqueeze(1)

    def out(self, output: Tensor) -> Tensor:
        """(T, B, H) -> the layout of the input."""
        return output.transpose(0, 1) if self.transposed else output if self.batched else output.squeeze(1)

    def state_in(self, state: Tensor) -> Tensor:
        return state if self.batched else state.unsqueeze(1)

    def state_out(self, state: Tensor, initial: Tensor) -> Tensor:
        """The final states in the caller's form; `initial` stands where a sequence has no step."""
        return state if self.batched else state.squeeze(1)

    def state_shape(self, layers: int, hidden_size: int) -> tuple[int, ...]:
        return (layers, self.batch, hidden_size) if self.batched else (layers, hidden_size)


class Unpadded:
    """Rows of step 0 of all sequences, longest first, then those of step 1, ...; the caller's order may differ."""

    x: Tensor
    batch_sizes: Tensor
    batch: int
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None

    def state_in(self, state: Tensor) -> Tensor:
        """The caller's order of sequences -> longest first."""
        return state if self.sorted_indices is None else state.index_select(1, self.sorted_indices)

    def state_out(self, state: Tensor, initial: Tensor) -> Tensor:
        return state if self.unsorted_indices is None else state.index_select(1, self.unsorted_indices)

    def state_shape(self, layers: int, hidden_size: int) -> tuple[int, ...]:
        return layers, self.batch, hidden_size


class Packed(Unpadded):
    """A PackedSequence."""

    def __init__(self, input: PackedSequence) -> None:
        if input.data.dim() != 2:
            raise CarouselError(
                "A PackedSequence must hold steps of shape (I,), that is data (N, I); "
                f"its data is {tuple(input.data.shape)}."
            )
        self.x = input.data
        self.batch_sizes = input.batch_sizes
        if self.batch_sizes.dim() != 1 or self.batch_sizes.shape[0] == 0:
            raise _wrong_counts(input)
        self.batch = int(input.batch_sizes[0])
        if not torch.compiler.is_compiling() and not 1 <= self.batch <= len(self.x):
            raise _wrong_counts(input)
        self.sorted_indices = input.sorted_indices
        self.unsorted_indices = input.unsorted_indices

    @property
    def mask_shape(self) -> tuple[int, ...]:
        return (len(self.x),)

    def mask_in(self, mask: Tensor) -> Tensor:
        return mask

    def out(self, output: Tensor) -> PackedSequence:
        return PackedSequence(output, self.batch_sizes, self.sorted_indices, self.unsorted_indices)


def _wrong_counts(packed: PackedSequence) -> CarouselError:
    return CarouselError(
        "batch_sizes of a PackedSequence must be the number of sequences at each step, (T,), from 1 to the rows of its "
        f"data, {len(packed.data)}; they are {packed.batch_sizes}. Make one with pack_padded_sequence."
    )


def open_sequence(input: Tensor | PackedSequence, batch_first: bool) -> Padded | Packed:
    if isinstance(input, PackedSequence):
        return Packed(input)
    if isinstance(input, Tensor):
        return Padded(input, batch_first)
    raise CarouselError(f"input must be a tensor or a PackedSequence; it is a {type(input).__name__}.")
