"""Long-lag tasks are what they say, and gated nets solve at short lags what a plain one solves later or not."""

import pytest
import torch

from carousel.lab import Budget
from carousel.lab.long_lag import measure as long_lag
from carousel.progress import silent


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
    steps = long_lag.steps_until_solved(long_lag.TASKS["temporal order"], long_lag.CELLS["LSTM"], 10, 500, 0)
    assert 0 < steps <= 500


def test_what_is_not_solved_says_so():
    """Ten steps are too few for copying: the count is the budget and one."""
    steps = long_lag.steps_until_solved(long_lag.TASKS["copying"], long_lag.CELLS["RNN"], 30, 10, 0)
    assert steps == 11


def test_gates_start_open_for_the_lag():
    """Forget gates keep for 1 to lag steps, 1 / (1 - sigmoid(b)) = 1 + u; the input gate's bias is the opposite."""
    torch.manual_seed(0)
    layer = long_lag.CELLS["LSTM"](2)
    long_lag.open_gates(layer, 100)
    bias = layer.bias_ih_l0.detach()
    forget = bias[long_lag.HIDDEN : 2 * long_lag.HIDDEN]
    kept = 1 / (1 - torch.sigmoid(forget))
    assert float(kept.min()) >= 2
    assert 50 < float(kept.max()) <= 100
    assert torch.equal(bias[: long_lag.HIDDEN], -forget)


@pytest.fixture(scope="module")
def found():
    """A quick run of one task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_lag, "TASKS", {"temporal order": long_lag.TASKS["temporal order"]})
        return long_lag.measure(Budget.QUICK, silent)


def test_published_steps_are_counted_at_each_look(found):
    """Every count is a multiple of 50 within the budget, or the budget and one; three seeds of each."""
    assert len(found.steps) == len(long_lag.CELLS) * len(found.lags)
    for steps in found.steps.values():
        assert len(steps) == 3
        assert all(step == found.most + 1 or (0 < step <= found.most and step % 50 == 0) for step in steps)


def test_gated_cells_tell_an_order(found):
    """Over 20 steps LSTM and GRU tell the temporal order with every seed; over 10 in no more steps than 200."""
    for name in ("LSTM", "GRU, reset after", "GRU, reset before"):
        assert max(found.steps["temporal order", name, 20]) <= found.most
        assert max(found.steps["temporal order", name, 10]) <= 200


def test_a_guess_is_not_solved():
    """The mean of two numbers from 0 to 1 leaves 1/6 of squared error, four symbols three quarters wrong."""
    generator = torch.Generator().manual_seed(3)
    _, target = long_lag.adding(10, 20_000, generator)
    guess = torch.ones(1, 20_000, 1)
    assert float(long_lag.TASKS["adding"].error(guess, target)) == pytest.approx(1 / 6, rel=0.03)
    _, target = long_lag.copying(10, 20_000, generator)
    answers = torch.randn(*target.shape, long_lag.SYMBOLS, generator=generator)
    assert float(long_lag.TASKS["copying"].error(answers, target)) == pytest.approx(0.75, rel=0.02)
