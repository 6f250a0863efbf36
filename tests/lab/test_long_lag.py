"""Long-lag tasks are what they say, and gated nets solve at short lags what a plain one solves later or not."""

import pytest
import torch

from carousel.lab import long_lag


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_adding_marks_two_numbers(generator):
    """Two marks, one in each half, and the target is the sum of the marked numbers."""
    inputs, target = long_lag.adding(10, 200, generator)
    marks = inputs[..., 1]
    assert torch.equal(marks[:5].sum(0), torch.ones(200))
    assert torch.equal(marks[5:].sum(0), torch.ones(200))
    torch.testing.assert_close((inputs[..., 0] * marks).sum(0)[None], target)


def test_temporal_order_tells_four_orders(generator):
    """Exactly two steps are X or Y, and the class is their order."""
    inputs, target = long_lag.temporal_order(20, 200, generator)
    signals = inputs[..., long_lag.SYMBOLS :]
    assert torch.equal(signals.sum((0, 2)), torch.full((200,), 2.0))
    first = signals[:10].sum(0).argmax(1)
    second = signals[10:].sum(0).argmax(1)
    assert torch.equal((2 * first + second)[None], target)


def test_copying_asks_for_the_symbols(generator):
    """The target is what came first, the answer's steps hold only the go signal."""
    inputs, target = long_lag.copying(7, 50, generator)
    assert torch.equal(inputs[: long_lag.COPIED].argmax(-1), target)
    assert (inputs[-long_lag.COPIED :].argmax(-1) == long_lag.SYMBOLS + 1).all()


def test_a_solved_task_stops_the_count():
    """An LSTM tells the temporal order over ten steps within 500; nothing is solved at once."""
    steps = long_lag.steps_until_solved(
        long_lag.TASKS["temporal order"], long_lag.CELLS_TRIED["LSTM"], 10, 500, 0
    )
    assert 0 < steps <= 500


def test_what_is_not_solved_says_so():
    """Ten steps are too few for copying: the count is the budget and one."""
    steps = long_lag.steps_until_solved(long_lag.TASKS["copying"], long_lag.CELLS_TRIED["RNN"], 30, 10, 0)
    assert steps == 11


@pytest.mark.parametrize(
    ("solved", "verdict"), [((), "does not hold"), (("LSTM",), "holds only when"), (None, "holds")]
)
def test_the_verdict_follows_from_who_solved(solved, verdict):
    """All gated cells ahead of the plain net, some of them, none."""
    names = [name for name in long_lag.CELLS_TRIED if name != "RNN"] if solved is None else solved
    found = {
        (task, name, lag): [50 if name in names else 101]
        for task in long_lag.TASKS
        for name in long_lag.CELLS_TRIED
        for lag in (10, 20)
    }
    claim = long_lag._claims(found, (10, 20), 100)[0]
    assert claim.verdict == verdict
    assert ("“LSTM”" in claim.evidence) == bool(names)
