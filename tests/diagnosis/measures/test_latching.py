"""Networks that hold discrete states, and those that do not."""

import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import judge, latching, memory, observe


def pulses(steps: int, channels: int, every: int = 40) -> torch.Tensor:
    """A pulse of +1 or -1 in one channel, now and then, (T, 4, channels)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (steps, 4, channels), generator=generator) * 2.0 - 1
    return x * (torch.rand(x.shape, generator=generator) < 1 / every)


def flip_flop(channels: int, weight: float = 1.5) -> nn.RNN:
    """One unit for each channel, which keeps the sign of its last pulse."""
    module = nn.RNN(channels, channels, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(weight * torch.eye(channels))
        module.weight_ih_l0.copy_(4 * torch.eye(channels))
    return module


def of(module: nn.Module, x: torch.Tensor):
    return latching(observe(module, x).trajectories[0])


def test_three_bits_are_eight_states():
    """A 3-bit flip-flop holds all 8, and forgets small changes within a few steps."""
    module, x = flip_flop(3), pulses(400, 3)
    found = of(module, x)
    assert len(found.points) == 8
    assert found.share.sum() > 0.75  # the rest is before the first pulse
    words = memory(observe(module, x).trajectories[0]).words
    assert words.startswith("RNN.l0 holds 8 discrete states, one for about ")
    assert "A small change of its state is forgotten after about" in words


@pytest.mark.parametrize("weight", [1.1, 1.3])
def test_one_tanh_unit_latches(weight):
    """With a weight above 1 there are two stable states: that is no vanishing memory."""
    module, x = flip_flop(1, weight), pulses(400, 1, every=80)
    assert len(of(module, x).points) == 2
    names = [finding.name for finding in judge(module, x)]
    assert "latching" in names
    assert not {"vanishing", "memoryless", "short memory"} & set(names)


def test_what_holds_no_discrete_states():
    """One stable state, a continuum of fixed points, an open LSTM, and states that grow."""
    x = torch.randn(60, 4, 3)
    identity = carousel.RNN(3, 6, nonlinearity="identity", bias=False)
    open_lstm = nn.LSTM(3, 6)
    growing = nn.RNN(3, 6, nonlinearity="relu")
    with torch.no_grad():
        identity.weight_hh_l0.copy_(torch.eye(6))
        open_lstm.bias_ih_l0[6:12] = 50
        growing.weight_hh_l0.copy_(1.5 * torch.eye(6))
    for module in (nn.GRU(3, 6), identity, open_lstm, growing):
        assert not of(module, x).is_latching


def test_states_that_each_input_flips_are_no_memory():
    """Two stable states between which noise moves the unit within few steps: the verdict stays vanishing."""
    torch.manual_seed(0)
    module = flip_flop(1, 4.0)
    with torch.no_grad():
        module.weight_ih_l0.fill_(50)
    names = [finding.name for finding in judge(module, torch.randn(200, 4, 1))]
    assert "latching" not in names
