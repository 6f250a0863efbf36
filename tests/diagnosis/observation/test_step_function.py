"""Cells that people write by hand: a function that steps, measured as if it were a layer."""

import numpy as np
import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import judge
from carousel.errors import CarouselError


def cells(dtype=torch.float64):
    """(function, the same cell as a module, its zero state) of a simple network and of an LSTM."""
    torch.manual_seed(0)
    rnn, lstm = nn.RNN(3, 6).to(dtype), nn.LSTM(3, 6).to(dtype)
    w, u, b = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0 + rnn.bias_hh_l0
    zero = torch.zeros(4, 6, dtype=dtype)

    def simple(x, h):
        return torch.tanh(x @ w.T + h @ u.T + b)

    def gated(x, state):
        h, c = state
        i, f, g, o = (
            x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        ).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c)

    return [(simple, rnn, zero), (gated, lstm, (zero, zero))]


@pytest.mark.parametrize("k", [0, 1])
def test_a_function_is_measured_as_the_same_module_is(k):
    """Gradients, exponents, spectra, memory and impulse responses agree with those of torch.nn's module."""
    function, module, state = cells()[k]
    x = torch.randn(40, 4, 3, dtype=torch.float64)
    own = carousel.diagnose(function, x, state=state)
    of_module = carousel.diagnose(module, x)
    [layer], [known] = own.layers, of_module.layers
    assert layer.states == known.states
    for curve in ("log_worst", "log_typical", "log_total", "log_last"):
        np.testing.assert_allclose(getattr(layer.gradient, curve), getattr(known.gradient, curve), atol=1e-6)
    np.testing.assert_allclose(layer.lyapunov.exponents, known.lyapunov.exponents, atol=1e-6)
    np.testing.assert_allclose(layer.impulse.norms, known.impulse.norms, atol=1e-8)
    assert layer.spectrum.radius == pytest.approx(known.spectrum.radius, abs=1e-6)
    assert layer.fixed_points.counts == known.fixed_points.counts
    assert layer.stability.bounded is None
    assert layer.memory.steps == pytest.approx(known.memory.steps, abs=1e-4)
    assert own.findings[0].name == of_module.findings[0].name
    assert str(own).startswith("40 steps x 4 sequences x 3 inputs")
    assert "Read as 40 steps" in own._repr_html_()


def test_a_module_that_steps():
    """nn.GRUCell with a state, and a loss of all outputs."""
    torch.manual_seed(0)
    cell = nn.GRUCell(3, 6)
    before = [p.grad for p in cell.parameters()]
    report = carousel.diagnose(
        cell, torch.randn(30, 4, 3), lambda outputs: outputs.square().mean(), state=torch.zeros(4, 6)
    )
    assert report.model == "GRUCell"
    assert report.parameters == sum(p.numel() for p in cell.parameters())
    assert report.loss > 0
    assert [p.grad for p in cell.parameters()] == before


def test_states_with_layers_first():
    """A function around nn.LSTM, whose states are (L, B, H)."""
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 6, num_layers=2).double()
    x, zero = torch.randn(20, 4, 3, dtype=torch.float64), torch.zeros(2, 4, 6, dtype=torch.float64)

    def step(x, state):
        output, state = lstm(x.unsqueeze(0), state)
        return output[0], state

    [layer] = carousel.diagnose(step, x, state=(zero, zero)).layers
    [stack] = carousel.diagnose(lstm, x).stacks
    np.testing.assert_allclose(layer.gradient.log_typical, stack.gradient.log_typical, atol=1e-6)


def test_what_is_wrong_with_a_hand_written_cell():
    """A verdict names it; no remedy is offered that could not be applied."""
    u = 0.3 * torch.eye(6)
    found = judge(
        lambda x, h: torch.tanh(x @ torch.ones(3, 6) + h @ u), torch.randn(40, 4, 3), state=torch.zeros(4, 6)
    )
    assert found[0].name in ("vanishing", "memoryless")
    assert all(remedy.is_advice for remedy in found[0].remedies)


@pytest.mark.parametrize(
    ("step", "batch", "state", "words"),
    [
        (lambda x, h: (x, h, h), torch.randn(5, 4, 3), torch.zeros(4, 3), r"must return \(output, state\)"),
        (lambda x, h: h, torch.zeros(5, 4, dtype=torch.int64), torch.zeros(4, 3), "Embed tokens first"),
        (lambda x, h: h, torch.randn(5, 4, 3), torch.zeros(2, 3), "first or second dimension is B"),
        (
            lambda x, h: h + x - (h + x).mean(0),
            torch.randn(5, 4, 3),
            torch.zeros(4, 3),
            "must be independent",
        ),
        (lambda x, h: h / 0, torch.randn(5, 4, 3), torch.ones(4, 3), "must stay finite"),
        (lambda x, h: h, torch.randn(5, 4, 3), {"h": torch.ones(4, 3)}, "a tuple of tensors"),
        (lambda x, h: h, torch.randn(5, 4, 3), None, "needs the state before its first step"),
    ],
)
def test_what_does_not_fit_is_said(step, batch, state, words):
    """The rule, and what came."""
    with pytest.raises(CarouselError, match=words):
        carousel.diagnose(step, batch, state=state)
