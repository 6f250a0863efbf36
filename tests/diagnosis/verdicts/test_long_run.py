"""Chaos is a property of the long run: what grows within a window is not called chaotic without its proof."""

import pytest
import torch
from torch import nn

from carousel import Cell, Recurrent
from carousel.diagnosis import judge, lyapunov, observe
from carousel.equations import affine, sigmoid
from tests.diagnosis import sick


def _rnn(inputs: int, hidden: int, weight: torch.Tensor) -> nn.RNN:
    module = nn.RNN(inputs, hidden)
    with torch.no_grad():
        module.weight_hh_l0.copy_(weight)
    return module


def _open_lstm() -> nn.LSTM:
    """Forget biases that sum to 2."""
    module = nn.LSTM(5, 32)
    with torch.no_grad():
        module.bias_ih_l0[32:64] = 1
        module.bias_hh_l0[32:64] = 1
    return module


@pytest.mark.parametrize("seed", range(4))
def test_five_steps_do_not_prove_chaos(seed):
    """An open LSTM on five steps: its gradient grows within them, its long-run exponent is -0.03 to -0.06."""
    torch.manual_seed(seed)
    module, x = _open_lstm(), torch.randn(5, 4, 5)
    assert "chaotic" not in [finding.name for finding in judge(module, x)]
    assert lyapunov(observe(module, x).trajectories[0], exponents=1).exponents[0] < 0


def test_one_dimension_is_not_chaotic():
    """h = tanh(1.1 h + ...) is monotone: near 0 it grows by 1.1 a step, and then it rests."""
    module = _rnn(1, 1, torch.tensor([[1.1]]))
    with torch.no_grad():
        module.bias_ih_l0.zero_()
        module.bias_hh_l0.zero_()
        module.weight_ih_l0.fill_(1.0)
    found = {finding.name: finding for finding in judge(module, 1e-4 * torch.randn(30, 4, 1).abs())}
    assert "chaotic" not in found
    assert "In the long run it does not grow" in found["transient growth"].sentence
    assert found["transient growth"].severity == "note"


@pytest.mark.parametrize("steps", [5, 15])
def test_an_orthogonal_tanh_network_is_not_chaotic(steps):
    """Gain 1.2: its gradient grows within 15 steps; its long-run exponent is -0.03."""
    torch.manual_seed(steps)
    module = _rnn(3, 32, nn.init.orthogonal_(torch.empty(32, 32), gain=1.2))
    names = [finding.name for finding in judge(module, torch.randn(steps, 4, 3))]
    assert "chaotic" not in names
    assert "transient growth" in names


def test_a_chaotic_network_is_chaotic_on_any_window():
    """Gain 2.5: the exponent is 0.16, of which eight steps say little."""
    for steps in (8, 60):
        found = {finding.name: finding for finding in judge(sick.chaotic(), sick.batch(steps=steps))}
        assert "h cannot leave a fixed range" in found["chaotic"].sentence
        assert found["chaotic"].evidence[0].value > 0.05


class Open(Cell):
    """h + sigmoid(a) n: every gate has bounds, the state has none."""

    states = ("h",)

    def step(self, x, h):
        return h + sigmoid(affine("a", x, h)) * affine("n", x, h)


def test_a_bound_is_claimed_where_it_is_proven():
    """A state that reaches 1e9 is not said to stay bounded, though the cell has a sigmoid."""
    torch.manual_seed(0)
    module = Recurrent(Open, 3, 8)
    found = judge(module, torch.randn(60, 4, 3))
    assert "range" not in " ".join(finding.sentence for finding in found)
    assert "chaotic" not in [finding.name for finding in found]


def test_the_run_ends_where_states_diverge():
    """A linear network that doubles at every step passes 1e30 after 100 steps."""
    module = nn.RNN(2, 2, nonlinearity="relu")
    with torch.no_grad():
        module.weight_hh_l0.copy_(2 * torch.eye(2))
    found = lyapunov(observe(module, torch.rand(10, 2, 2)).trajectories[0])
    assert found.diverges
    assert found.steps + found.transient < 120
