"""Memory in steps: gate time scales in closed form, horizons of known decays, and the headline that reconciles them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import gate_times, memory, observe, stacked


def only(module, x, loss=None):
    [trajectory] = observe(module.double(), x.double(), loss).trajectories
    return trajectory


def last(output):
    return output[0][-1].sum()


def lstm(forget):
    """An LSTM whose forget gates depend on their bias alone."""
    module = nn.LSTM(1, len(forget))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        h = len(forget)
        module.bias_ih_l0[h : 2 * h] = torch.as_tensor(forget)
        module.bias_ih_l0[2 * h : 3 * h] = 0.5
        module.bias_ih_l0[3 * h :] = 1.0
    return module


def linear(factor, steps, hidden=3):
    """h_t = factor h_{t-1}: every direction decays alike."""
    module = carousel.RNN(1, hidden, nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(factor * torch.eye(hidden))
    return only(module, torch.ones(steps, 2, 1), last)


@pytest.mark.parametrize(
    ("bias", "keep", "steps", "tau", "half"),
    [
        (0.0, 0.5, 2.0, 1.4427, 1.0),
        (1.0, 0.731059, 3.71828, 3.19222, 2.21268),
        (2.0, 0.880797, 8.38906, 7.87848, 5.46095),
        (math.log(99), 0.99, 100.0, 99.4992, 68.9676),
    ],
)
def test_time_scales_of_a_forget_bias(bias, keep, steps, tau, half):
    """b -> f = sigmoid(b), 1 / (1 - f) = 1 + e^b, -1 / ln f and ln 2 / -ln f."""
    found = gate_times(only(lstm([bias]).double(), torch.zeros(5, 1, 1)))["c"]
    assert found.keep[0] == pytest.approx(keep, rel=1e-5)
    assert found.steps[0] == pytest.approx(steps, rel=1e-5)
    assert found.tau[0] == pytest.approx(tau, rel=1e-5)
    assert found.half_life[0] == pytest.approx(half, rel=1e-5)


def test_the_geometric_mean_is_the_products_decay():
    """With f in turns 0.9 and 0.1 the product shrinks by 0.3 a step, not by their mean of 0.5."""
    module = lstm([0.0]).double()
    with torch.no_grad():
        module.weight_ih_l0[1] = math.log(9)
    x = torch.tensor([1.0, -1.0]).repeat(10).reshape(20, 1, 1)
    assert gate_times(only(module, x))["c"].keep[0] == pytest.approx(0.3, rel=1e-9)


def test_chrono_initialisation_spreads_time_scales():
    """b_f = ln u, u uniform in [1, T - 1]: forgetting times from 2 to T, 1 + T / 2 on average."""
    longest = 200
    biases = torch.log(1 + (longest - 2) * torch.rand(1000, dtype=torch.float64))
    module = lstm([0.0] * 1000).double()
    with torch.no_grad():
        module.bias_ih_l0[1000:2000] = biases
    x, s = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 2000, dtype=torch.float64)
    layer = _layer(module)
    steps = 1 / (1 - layer.linearise(x, s).carry("c").numpy()[0])
    assert steps.min() >= 2
    assert steps.max() <= longest
    assert steps.mean() == pytest.approx(1 + longest / 2, rel=0.05)


def _layer(module):
    from carousel.diagnosis import recurrent_layers

    [layer] = recurrent_layers(module)
    return layer


def test_a_gru_keeps_by_its_update_gate():
    """z of a GRU is what h keeps; a simple network keeps nothing by a gate."""
    trajectory = only(nn.GRU(2, 4), torch.randn(10, 2, 2))
    x, s = trajectory.points()
    layer = trajectory.layer
    z = next(v for node, v in layer.vectors(x, s).items() if layer.equations.names.get(node) == "z")
    assert gate_times(trajectory)["h"].keep == pytest.approx(z.log().mean(dim=0).exp().numpy())
    assert gate_times(only(nn.RNN(2, 4), torch.randn(10, 2, 2))) == {}


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.9])
def test_an_exponential_decay_has_one_horizon(factor):
    """All definitions say 3 tau: ln 0.05 / ln factor; the mass horizon too, up to the sum's discreteness."""
    found = memory(linear(factor, 200))
    expected = math.log(0.05) / math.log(factor)
    for name in ("typical", "worst", "fitted"):
        assert found.estimates[name].steps == pytest.approx(expected, rel=1e-6), name
    assert found.estimates["mass"].steps == pytest.approx(expected, abs=1)
    assert found.agree
    assert found.why == ""
    assert found.decay_fit == pytest.approx(1)
    assert found.low <= found.steps <= found.high
    assert str(round(found.steps)) in found.words


def test_a_memory_beyond_the_window_is_at_least_the_window():
    """A decay of 0.999 over 50 steps: nothing is known but that it is longer."""
    found = memory(linear(0.999, 50))
    assert found.censored
    assert "at least the 5" in found.words
    grows = memory(linear(1.1, 50))
    assert grows.estimates["typical"].censored
    assert grows.estimates["fitted"].censored


def test_no_recurrence_remembers_nothing():
    """W = 0: the state before has no say."""
    found = memory(linear(0.0, 20))
    assert found.words == "RNN.l0 remembers nothing beyond the current step."
    assert found.steps < 0.5


def test_the_present_step_is_no_memory():
    """A cell that keeps 99.3 % a step under a gate that shows half of it: nothing is lost within 100 steps."""
    module = nn.LSTM(3, 4)
    with torch.no_grad():
        module.weight_hh_l0.zero_()
        module.weight_ih_l0[4:8] = 0
        module.bias_ih_l0[4:8] = 5
        module.bias_hh_l0[4:8] = 0
    x = 0.1 * torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(1))
    found = memory(only(module, x))
    assert found.censored
    assert "at least the 100 steps" in found.words


def test_a_step_that_hardly_goes_back_is_no_memory():
    """Of 2 % that one step back still matters, no horizon is made; of 20 % it is one step."""
    assert memory(linear(0.02, 20)).estimates["mass"].steps == 0
    assert memory(linear(0.2, 20)).estimates["mass"].steps == pytest.approx(1.8, abs=0.2)


def test_estimates_that_differ_are_explained():
    """One slow unit among fast ones that the loss does not read; and gates that nobody reads."""
    module = carousel.RNN(1, 4, nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.diag(torch.tensor([0.3, 0.3, 0.3, 0.95])))
    found = memory(only(module, torch.ones(100, 2, 1), lambda output: output[0][-1, :, :3].sum()))
    assert not found.agree
    assert "the loss reads directions that fade faster" in found.why
    assert found.estimates["mass"].steps < 4 < 50 < found.estimates["worst"].steps


def test_the_headline_tells_both_where_loss_and_state_differ():
    """A loss that reads a quick unit among slow ones: its own memory, that of the state, and the reason."""
    module = carousel.RNN(1, 4, nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.diag(torch.tensor([0.3, 0.9, 0.9, 0.9])))
    found = memory(only(module, torch.ones(100, 2, 1), lambda output: output[0][-1, :, :1].sum()))
    assert found.is_split
    by_loss, by_state = (round(found.estimates[name].steps) for name in ("mass", "typical"))
    assert f"about {by_loss} steps ({by_loss} to {by_loss}) by what the loss reads" in found.words
    assert f"{by_state} steps ({by_state} to {by_state}) by what is typical" in found.words
    assert found.why.startswith("the loss reads directions that fade faster")
    assert f": {found.why}." in found.words
    assert not memory(linear(0.8, 100)).is_split


def test_a_last_step_that_the_loss_does_not_read():
    """The reverse direction at the sequence's end has read one step: the loss has no say in what it remembers."""
    seen = observe(nn.GRU(2, 4, bidirectional=True).double(), torch.randn(30, 2, 2).double())
    forth, back = (memory(each) for each in seen.trajectories)
    assert "mass" in forth.estimates
    assert "mass" not in back.estimates
    assert back.steps == back.estimates["typical"].steps
    assert "The loss does not read its last step" in back.words
    assert "The loss does not read" not in forth.words


def test_a_loss_at_every_step_does_not_pass_for_memory():
    """The sum over time of the squared output has the same memory as its last term."""
    module, x = nn.RNN(2, 6), torch.randn(60, 3, 2)
    every = memory(only(module, x, lambda output: output[0].pow(2).sum()))
    end = memory(only(module, x, lambda output: output[0][-1].pow(2).sum()))
    assert every.steps == pytest.approx(end.steps, rel=1e-5)


def test_a_stack_has_a_memory_too():
    """Through two layers memory is at least that of the slower one, and has no gates of its own."""
    seen = observe(nn.LSTM(2, 6, num_layers=2).double(), torch.randn(60, 3, 2).double())
    found = memory(stacked(seen.trajectories))
    assert found.gates == {}
    assert (
        found.estimates["worst"].steps
        >= max(memory(t).estimates["worst"].steps for t in seen.trajectories) - 1
    )
    assert np.isfinite(found.steps)
