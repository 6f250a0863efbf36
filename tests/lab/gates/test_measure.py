"""Gates at work: the tasks are what they say, gates have their jobs, the GRU's update gate at its ends."""

import pytest
import torch

from carousel.lab.gates import measure as gates


@pytest.fixture(scope="module")
def found(measured):
    return measured("gates")


def test_the_target_is_what_is_stored():
    """Store 0.5, add 0.25, ignore, clear, add 0.75."""
    inputs = torch.zeros(5, 1, 6)
    inputs[:, 0, 0] = torch.tensor([0.5, 0.25, -1.0, 1.0, 0.75])
    inputs[range(5), 0, [1 + k for k in (0, 1, 2, 3, 1)]] = 1.0
    assert gates.stored_after(inputs)[:, 0].tolist() == [0.5, 0.75, 0.75, 0.0, 0.75]


def test_what_is_hidden_is_not_asked_for():
    """The answer is what is stored where the flag is 1, else 0."""
    inputs, target = gates.commands(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target, gates.stored_after(inputs) * inputs[..., 5])
    assert inputs[..., 1:5].sum(dim=-1).eq(1).all()


def test_the_spike_follows_the_trigger():
    """The target has one spike for each trigger, PULSE steps later."""
    inputs, target = gates.pulses(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target[gates.PULSE :], inputs[: -gates.PULSE, :, 0])


@pytest.mark.parametrize("gate", gates.GATES)
def test_no_gate_can_be_spared(found, gate):
    """What is left without it is unsolved, and several times what the whole net leaves."""
    with_it, without = found.errors_of(gate)
    assert without[0] > max(0.15, 3 * with_it[0])


def test_gates_are_where_their_job_needs_them(found):
    """Input and forget gate by command, output gate by flag, both of the GRU: open against shut."""
    for opened, shut in (
        ("i at store", "i at ignore"),
        ("i at add", "i at clear"),
        ("f at ignore", "f at store"),
        ("f at add", "f at clear"),
        ("o at show", "o at hide"),
        ("z at ignore", "z at store"),
        ("r at add", "r at store"),
    ):
        assert found.gates[opened] > found.gates[shut] + 0.3


def test_the_update_gate_at_its_ends(found):
    """z = 1 keeps h to the bit, z = 0 makes it the candidate."""
    assert found.held["z = 1: change of h"] == 0.0
    assert found.held["z = 0: distance of h and candidate"] == 0.0


def test_between_its_ends_the_update_gate_averages():
    """With z held at 0.9 each h is a tenth candidate and nine tenths what it was."""
    h, n, start = gates.held_at(gates.HELD["0.9"])
    torch.testing.assert_close(h[0], 0.9 * start + 0.1 * n[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(h[1:], 0.9 * h[:-1] + 0.1 * n[1:], rtol=0, atol=1e-4)
