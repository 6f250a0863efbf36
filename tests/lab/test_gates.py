"""Gates at work: the tasks are what they say, gates have their jobs, the GRU's update gate at its ends."""

import pytest
import torch

from carousel.lab import gates


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("gates").numbers


def test_the_target_is_what_was_stored():
    """Store +1, ignore -1, show, clear, show: the answers are +1 and 0."""
    orders = [0, 1, 3, 2, 3]
    inputs = torch.zeros(5, 1, 5)
    inputs[:, 0, 0] = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0])
    inputs[range(5), 0, [1 + k for k in orders]] = 1.0
    after = gates.stored_after(inputs)[:, 0].tolist()
    assert after == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_spike_follows_the_trigger():
    """The target has one spike for each trigger, PULSE steps later."""
    inputs, target = gates.pulses(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target[gates.PULSE :], inputs[: -gates.PULSE, :, 0])


def test_the_forget_gate_cannot_be_spared(numbers):
    """Without it nothing can be cleared: the error left is several times that of the full LSTM."""
    assert numbers["commands, no forget gate"][0] > 3 * numbers["commands, LSTM"][0]


def test_the_lstm_solves_the_commands(numbers):
    """Far less than a tenth of the target's power is left."""
    assert numbers["commands, LSTM"][0] < 0.05


def test_the_update_gate_at_its_ends(numbers):
    """z = 1 keeps h to the bit, z = 0 makes it the candidate."""
    assert numbers["z = 1: change of h"] == 0.0
    assert numbers["z = 0: distance of h and candidate"] == 0.0


def test_the_gru_works_by_its_update_gate(numbers):
    """Of the unit that remembers, z is lower at "store", where it writes, than at "ignore", where it keeps."""
    assert numbers["gate z at store"] < numbers["gate z at ignore"] - 0.2


def test_between_its_ends_the_update_gate_averages():
    """With z held at 0.9 each h is a tenth candidate and nine tenths what it was."""
    h, n, start = gates.held_at(gates.HELD["0.9"])
    torch.testing.assert_close(h[0], 0.9 * start + 0.1 * n[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(h[1:], 0.9 * h[:-1] + 0.1 * n[1:], rtol=0, atol=1e-4)
