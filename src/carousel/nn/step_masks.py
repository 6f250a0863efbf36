"""Masks: any steps of a sequence may be left out, and the state may be reset to a given one.

A segment is a run of the steps of a sequence that count, up to the next step at which the state starts from `reset_to`.
Segments are computed as separate sequences, longest first, so that nothing is computed for steps that do not count.
Gradients flow to the state from which a segment begins.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.errors import CarouselError
from carousel.nn.lengths import Lengths, Ragged, checked_lengths, open_sequences
from carousel.nn.resets import (
    Resets,
    StepMasks,
    before_the_step_below,
    checked_resets,
    checked_steps,
    open_resets,
)
from carousel.nn.sequence_layout import Packed, Padded, Unpadded, open_sequence


class Segments(Unpadded):
    """A padded tensor of which only some steps count. Each sequence is cut into segments."""

    def __init__(self, padded: Padded, valid: Tensor, begins: Tensor | None, both: bool) -> None:
        """valid: (T, B), the steps that count; begins: (T, B), those of them with which another segment begins from
        `reset_to`; both: do states have layers of both directions?"""
        self._padded, self.valid, self._both = padded, valid, both
        self.mask_shape = padded.mask_shape
        device = padded.x.device
        sequence, step = valid.cpu().T.nonzero().unbind(dim=1)  # by sequence, then by time
        fresh = torch.zeros_like(step, dtype=torch.bool) if begins is None else begins[step, sequence]
        starts = fresh.clone()
        starts[:1] = True
        starts[1:] |= sequence[1:] != sequence[:-1]
        first = starts.nonzero().squeeze(1)
        segment = torch.cumsum(starts, 0) - 1
        within = torch.arange(len(step)) - first[segment]
        order = torch.sort(torch.bincount(segment), descending=True, stable=True).indices
        rank = torch.argsort(order)
        packed = torch.argsort(within * max(len(first), 1) + rank[segment])
        self.batch_sizes = torch.bincount(
            within, minlength=1
        )  # if no step counts: one step, which no sequence has
        self.batch = len(first)
        self._rows = (step * valid.shape[1] + sequence)[packed].to(device)

        of_segment = sequence[first]
        changes = of_segment[1:] != of_segment[:-1]
        edge = torch.ones(min(len(first), 1), dtype=torch.bool)
        is_first, is_last = torch.cat([edge, changes]), torch.cat([changes, edge])
        owner, other = of_segment[order], of_segment[order] + valid.shape[1]
        self._from = [  # of each direction: where a segment begins, among the states of sequences and those to reset to
            torch.where((is_first & ~fresh[first])[order], owner, other).to(device),
            torch.where(is_last[order], owner, other).to(device),
        ]
        self._ends = [
            rank[is_last].to(device),
            rank[is_first].to(device),
        ]  # of each direction: the last segments
        self._present = of_segment[is_first].to(device)
        self.x = self.rows_of(padded.x)

    def rows_of(self, opened: Tensor) -> Tensor:
        """(T, B, ...) -> one row for each step that counts."""
        return opened.flatten(0, 1).index_select(0, self._rows)

    def out(self, output: Tensor) -> Tensor:
        """(N, H) -> the layout of the input, with zeros at steps that do not count."""
        rows = output.new_zeros(self.valid.numel(), output.shape[-1])
        return self._padded.out(rows.index_copy_(0, self._rows, output).unflatten(0, self.valid.shape))

    def state_shape(self, layers: int, hidden_size: int) -> tuple[int, ...]:
        return self._padded.state_shape(layers, hidden_size)

    def state_in(self, state: Tensor, reset_to: Tensor | None = None) -> Tensor:
        """(L, B, H) -> (L, segments, H)."""
        table = self._padded.state_in(state)
        others = table if reset_to is None else self._padded.state_in(reset_to)
        table = torch.cat([table, others], dim=1)
        return self._by_direction(table, lambda each, d: each.index_select(1, self._from[d]))

    def state_out(self, state: Tensor, initial: Tensor) -> Tensor:
        """(L, segments, H) -> (L, B, H): of the last segment in each direction; of no segment, the initial state."""
        ends = self._by_direction(state, lambda each, d: each.index_select(1, self._ends[d]))
        found = self._padded.state_in(initial).index_copy(1, self._present, ends)
        return self._padded.state_out(found, initial)

    def _by_direction(self, states: Tensor, take: Callable[[Tensor, int], Tensor]) -> Tensor:
        """(L, ...): layers of the forward direction, or those of both in turns."""
        if not self._both:
            return take(states, 0)
        parts = states.unflatten(0, (-1, 2))
        return torch.stack([take(parts[:, d], d) for d in (0, 1)], dim=1).flatten(0, 1)


def open_input(
    input: Tensor | PackedSequence,
    batch_first: bool,
    both: bool,
    lengths: Lengths | None,
    mask: Tensor | None,
    resets: Resets | None,
    anew: bool,
) -> tuple[Padded | Packed | Ragged | Segments, StepMasks]:
    """The input in the layout in which layers compute, and before which steps each direction starts from zero.

    both: are there two directions? anew: do resets lead to a given state, and not to zero?
    """
    if anew and resets is None:
        raise CarouselError(
            "reset_to is the state that resets lead to; give resets, the steps where it begins."
        )
    padded = open_sequence(input, batch_first)
    valid = None
    if mask is not None:
        if lengths is not None:
            raise CarouselError(
                "mask and lengths must not be given together, and both were. Pass one of the two."
            )
        if not isinstance(padded, Padded):
            raise CarouselError("A mask goes with a padded tensor; of a PackedSequence every step counts.")
        valid = checked_steps("mask", mask, padded, "that count")
        valid = None if valid.all() else padded.mask_in(valid)
    elif lengths is not None and not torch.compiler.is_compiling():
        lengths = checked_lengths(lengths, input, padded)
        if anew or not lengths.all():
            valid = torch.arange(padded.x.shape[0])[:, None] < lengths
    if valid is None and not anew:
        sequence = padded if lengths is None else open_sequences(input, batch_first, lengths)
        return sequence, open_resets(resets, sequence, both)
    if not isinstance(padded, Padded):
        raise CarouselError(
            "reset_to goes with a padded tensor; give one with its lengths=, not a PackedSequence."
        )
    if valid is None:
        valid = torch.ones(padded.x.shape[:2], dtype=torch.bool)
    begins = None
    if resets is not None:
        begins = _carried(padded.mask_in(checked_resets(resets, padded)).cpu(), valid.cpu())
    segments = Segments(padded, valid, begins if anew else None, both)
    if begins is None or anew:
        return segments, (None, None)
    rows = segments.rows_of(begins.to(padded.x.device))
    return segments, (
        rows,
        before_the_step_below(rows, segments.batch, segments.batch_sizes) if both else None,
    )


def _carried(resets: Tensor, valid: Tensor) -> Tensor:
    """(T, B): the resets, moved to the next step that counts."""
    so_far = torch.cumsum(resets, 0)
    seen = torch.where(valid, so_far, 0).cummax(0).values
    before = torch.cat([torch.zeros_like(seen[:1]), seen[:-1]])
    return valid & (so_far > before)
