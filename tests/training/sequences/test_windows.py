"""Batches of pieces: every sequence once an epoch, long ones in windows, any step by itself."""

import torch

from carousel.data.sequences import Span
from carousel.training.sequences.windows import SequenceWindows


def pieces(spans, **options):
    """Batches that are their pieces."""
    given = {"batch": 2, "length": None, "lead": 0, "seed": 1, **options}
    return SequenceWindows(
        [Span(*span) for span in spans], lambda found: tuple(torch.tensor(p) for p in found), **given
    )


def epoch(batches, number=0):
    """All pieces of an epoch as (sequence, start, first, stop)."""
    steps = range(number * batches.number, (number + 1) * batches.number)
    return [tuple(piece.tolist()) for step in steps for piece in batches.window(step)]


def test_each_sequence_comes_once_in_an_epoch_in_an_order_of_its_own():
    """Five sequences in batches of two are three batches, the last of one."""
    batches = pieces([(k, 0, 4 + k) for k in range(5)])
    assert batches.number == 3
    first, second = epoch(batches), epoch(batches, 1)
    assert sorted(first) == sorted(second) == [(k, 0, 0, 4 + k) for k in range(5)]
    assert first != second
    assert batches.tokens == 10  # 30 steps in 3 batches


def test_any_step_gives_its_batch_whatever_came_before():
    """Resuming reads on where it stopped."""
    fresh = pieces([(k, 0, 30) for k in range(5)], length=8)
    read = pieces([(k, 0, 30) for k in range(5)], length=8)
    epoch(read)
    for step in (7, 31, 2):
        assert all(torch.equal(a, b) for a, b in zip(fresh.window(step), read.window(step), strict=True))


def test_long_spans_are_cut_into_windows_that_move():
    """As many as cover the span, within it, with what comes before them to read; elsewhere in the next epoch."""
    batches = pieces([(0, 10, 45)], length=10, lead=3)
    found = epoch(batches)
    assert len(found) == 4
    for _, start, first, stop in found:
        assert stop - first == 10
        assert first - start == 3
        assert first >= 10
        assert stop <= 45
    assert found != epoch(batches, 1)


def test_the_lead_of_a_sequence_never_counts():
    """Of a series of 20 steps with a season of 6 the first 6 are read alone."""
    [(_, start, first, stop)] = epoch(pieces([(0, 0, 20)], length=50, lead=6))
    assert (start, first, stop) == (0, 6, 20)
