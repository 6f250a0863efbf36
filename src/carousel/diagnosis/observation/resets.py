"""A sequence that starts anew at some steps is as many sequences: neither state nor gradient crosses a reset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from carousel.diagnosis.observation.module_run import ModuleRun

Segment = tuple[int, int, int]  # sequence, first step, step after the last


def split_at_resets(run: ModuleRun) -> ModuleRun:
    """The run with each stretch between two resets as a sequence of its own, the longest first.

    At a reset the state becomes zero, so that J is zero there: what a stretch does is what a sequence from the zero
    state would do. A given initial state belongs to the stretch in which a direction begins, and what the loss asks of
    a final state to the one in which it ends: for a reverse direction the last and the first.
    """
    if run.resets is None:
        return run
    found = sorted(_segments(run.resets, run.lengths), key=lambda each: each[1] - each[2])
    rows, starts, stops = torch.tensor(found).T
    lengths = stops - starts
    steps = int(lengths[0])
    begin, last = starts == 0, stops == run.lengths[rows]
    first = begin & ~run.resets[0, rows]  # a reset at the first step clears the state that was given
    both = bool(getattr(run.module, "bidirectional", False))
    reverse = [both and k % 2 == 1 for k in range(len(run.initial[0]))]  # in the order of the states

    def cut(values: Tensor) -> Tensor:
        out = values.new_zeros(steps, len(found), *values.shape[2:])
        for k, (sequence, start, stop) in enumerate(found):
            out[: stop - start, k] = values[start:stop, sequence]
        return out

    def kept(state: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        """(L, B, H) -> (L, segments, H), zero in segments that a level's direction does not begin (or end) in."""
        which = torch.stack([backward if is_reverse else forward for is_reverse in reverse])
        return state[:, rows] * which.unsqueeze(-1).to(state.dtype)

    [ends] = run.state_gradients.values()
    return replace(
        run,
        inputs=cut(run.inputs),
        lengths=lengths,
        initial=tuple(kept(state, first, last) for state in run.initial),
        outputs=cut(run.outputs),
        output_gradient=cut(run.output_gradient),
        state_gradients={steps: tuple(kept(state, last, begin) for state in ends)},
        resets=None,
    )


def _segments(resets: Tensor, lengths: Tensor) -> Iterator[Segment]:
    for sequence, length in enumerate(lengths.tolist()):
        starts = [0, *(resets[1:length, sequence].nonzero().flatten() + 1).tolist(), length]
        yield from ((sequence, a, b) for a, b in pairwise(starts))
