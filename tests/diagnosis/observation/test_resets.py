"""Resets: each stretch between two is a sequence of its own; a reset cuts state and gradient."""

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import carousel
from carousel.diagnosis import diagnose, gradient_by_lag, observe
from carousel.errors import CarouselError

STEPS = 12
RESETS = torch.zeros(STEPS, 2, dtype=torch.bool)
RESETS[5, 0] = RESETS[9, 0] = RESETS[0, 1] = True


def batch(**more):
    return {"input": torch.randn(STEPS, 2, 3).double(), "resets": RESETS, **more}


def test_stretches_between_resets_are_sequences():
    """Two sequences with two resets are four stretches, the longest first, each from the zero state."""
    model, given = carousel.LSTM(3, 4).double(), batch()
    seen = observe(model, given)
    [trajectory] = seen.trajectories
    assert seen.cut
    assert trajectory.lengths.tolist() == [12, 5, 4, 3]
    assert (trajectory.states[0] == 0).all()
    output, _ = model(**given)
    for k, (sequence, start) in enumerate([(1, 0), (0, 0), (0, 5), (0, 9)]):
        length = int(trajectory.lengths[k])
        expected = output[start : start + length, sequence]
        torch.testing.assert_close(trajectory.states[1 : length + 1, k, :4], expected)


def test_the_gradient_is_that_of_autograd_and_ends_at_a_reset():
    """dL/dc of a loss at every step, stretch by stretch; what comes after a reset asks nothing of what came before."""
    model, given = carousel.RNN(3, 4).double(), batch()
    [trajectory] = observe(model, given, loss=lambda out: out[0].square().sum()).trajectories
    x = given["input"]
    for k, (sequence, start) in enumerate([(1, 0), (0, 0), (0, 5), (0, 9)]):
        length = int(trajectory.lengths[k])
        h = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        states = [h]
        for t in range(length):
            states.append(trajectory.layer.step(x[start + t, sequence], states[-1]))
        loss = torch.stack(states[1:]).square().sum()
        for t, gradient in enumerate(torch.autograd.grad(loss, states)):
            torch.testing.assert_close(trajectory.gradient.numbers()[t, k], gradient)
    alone = observe(model, x[5:9, :1], loss=lambda out: out[0].square().sum()).trajectories[0]
    np.testing.assert_allclose(
        gradient_by_lag(trajectory).log_worst[:5, 2], gradient_by_lag(alone).log_worst[:, 0], atol=1e-9
    )


@pytest.mark.parametrize("bidirectional", [False, True])
def test_given_states_and_final_states_belong_to_the_ends(bidirectional):
    """A given state is where a direction begins, a loss of the final state where it ends: in reverse the other way."""
    model = carousel.GRU(3, 4, bidirectional=bidirectional).double()
    start = torch.randn(1 + bidirectional, 2, 4).double()
    given = batch(hx=start)
    seen = observe(model, given, loss=lambda out: out[1].sum())
    forward = seen.trajectories[0]
    assert (forward.states[0] == 0).all(dim=-1).tolist() == [
        True,
        False,
        True,
        True,
    ]  # the first is behind a reset
    torch.testing.assert_close(forward.states[0, 1], start[0, 0])
    asked = forward.gradient.log[0].isfinite().tolist()
    assert asked == [True, False, False, True]
    if bidirectional:
        reverse = seen.trajectories[1]
        torch.testing.assert_close(reverse.states[0, [0, 3]], start[1, [1, 0]])
        assert (reverse.states[0, [1, 2]] == 0).all()
        assert reverse.gradient.log[0].isfinite().tolist() == [True, True, False, False]
        _, final = model(**given)
        torch.testing.assert_close(reverse.states[5, 1], final[1, 0])


def test_packed_and_ragged_batches_have_resets_too():
    """The same stretches from a PackedSequence, from lengths= and from padded rows with the batch first."""
    x = [torch.randn(7, 3).double(), torch.randn(4, 3).double()]
    marks = [torch.zeros(7, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)]
    marks[0][3] = True
    model = carousel.RNN(3, 4, batch_first=True).double()
    padded = torch.nn.utils.rnn.pad_sequence(x, batch_first=True)
    flags = torch.nn.utils.rnn.pad_sequence(marks, batch_first=True)
    packed = observe(model, {"input": pack_sequence(x), "resets": pack_sequence(marks)})
    ragged = observe(model, {"input": padded, "resets": flags, "lengths": torch.tensor([7, 4])})
    for seen in (packed, ragged):
        [trajectory] = seen.trajectories
        assert trajectory.lengths.tolist() == [4, 4, 3]
        torch.testing.assert_close(trajectory.states, packed.trajectories[0].states)


def test_a_diagnosis_says_so():
    """Memory is that of the stretches which the loss reads; a text cannot be drawn on stretches."""
    model, given = carousel.LSTM(3, 6), {"input": torch.randn(STEPS, 2, 3), "resets": RESETS}
    report = diagnose(model, given)
    assert "each stretch between two is a sequence of its own" in str(report)
    assert report.layers[0].instances == 4
    assert report.layers[0].memory.estimates["mass"].steps > 0
    with pytest.raises(CarouselError, match="text cannot be drawn"):
        diagnose(model, given, text="x" * STEPS)
