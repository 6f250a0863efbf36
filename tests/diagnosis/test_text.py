"""What is said of a layer follows from its numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from carousel.diagnosis import diagnose, fixed_points, gradient_by_lag, observe, stability
from carousel.diagnosis.layer_measures import _fixed_points
from carousel.diagnosis.text import on_fixed_points, on_shrinking, on_stability


def scaled(weight, steps=20):
    """A tanh network W = weight * 1 on small inputs: activations are at their steepest, weights alone shrink it."""
    rnn = nn.RNN(2, 4, bias=False).double()
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(weight * torch.eye(4))
    [trajectory] = observe(rnn, 1e-4 * torch.randn(steps, 2, 2).double()).trajectories
    return trajectory


def test_a_certificate_is_named_and_its_lack_is_said():
    """Norm 0.5: proven to forget, with the number and the limit; norm 1.2: not proven, and starts were seen to part."""
    proven = on_stability(stability(scaled(0.5)))
    assert proven.startswith("For bounded inputs its states are bounded: ")
    assert "= 0.5 < 1" in proven
    open_ = on_stability(stability(scaled(1.2)))
    assert "No certificate proves" in open_
    assert "two near starts part by 0.18" in open_  # ln 1.2 = 0.182


def test_the_share_of_activations_is_told():
    """By weights alone where tanh is straight; nothing is said of a gradient that does not shrink."""
    assert "account for 0% of the shrinking" in on_shrinking(gradient_by_lag(scaled(0.5)))
    assert on_shrinking(gradient_by_lag(scaled(1.2))) == ""


def test_what_gates_let_go_is_not_laid_upon_activations():
    """Forget gates of 0.88 explain the decay of an LSTM; what would grow at its steepest has no share."""
    lstm = nn.LSTM(4, 32).double()
    with torch.no_grad():
        lstm.bias_ih_l0[32:64] += 2
    x = torch.randn(100, 2, 4, generator=torch.Generator().manual_seed(1)).double()
    [trajectory] = observe(lstm, x).trajectories
    flow = gradient_by_lag(trajectory)
    assert flow.share_of_activations > 1  # at their steepest it would grow: not a part of anything
    assert flow.share_of_gates > 0.8
    assert "The gates account for" in on_shrinking(flow) or "Along the gates alone" in on_shrinking(flow)
    assert "100%" not in on_shrinking(flow)
    f = trajectory.layer.linearise(*trajectory.points()).carry("c").reshape(100, 2, 32)[90:].log().sum(0)
    expected = ((2 * f).exp().sum(-1) / 64).log() / 2
    assert flow.log_gates[10] == pytest.approx(expected.numpy())


def test_activations_that_shrink_more_than_all_of_it():
    """W = 1.2 would grow, were tanh straight; on large inputs it shrinks: more than 100 % is said in words."""
    rnn = nn.RNN(2, 4, bias=False).double()
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(1.2 * torch.eye(4))
    [trajectory] = observe(rnn, 3 * torch.randn(20, 2, 2).double()).trajectories
    words = on_shrinking(gradient_by_lag(trajectory))
    assert "at its steepest slope, the typical gradient would grow by a factor 38.3" in words  # 1.2 ** 20
    assert "%" not in words


def test_where_it_rests():
    """w = 1.5 without input: zero repels, two others are stable; a state that is too large is left alone, and said."""
    rnn = nn.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        rnn.weight_hh_l0.fill_(1.5)
    [trajectory] = observe(rnn, 1e-9 * torch.randn(30, 3, 1).double()).trajectories
    found = fixed_points(replace(trajectory, states=torch.randn(31, 3, 1).double()), starts=16, descent=50)
    words = on_fixed_points(found)
    assert "2 stable, 1 repelling fixed points" in words
    assert "found from 16 of 16 starts" in words
    [large] = observe(nn.RNN(1, 257), torch.randn(3, 2, 1)).trajectories
    assert _fixed_points(large) is None
    assert "carousel.diagnosis.fixed_points does" in on_fixed_points(None)


def test_a_diagnosis_says_them():
    """Printed with the layer's name."""
    report = diagnose(nn.LSTM(3, 6), torch.randn(20, 2, 3))
    [layer] = report.layers
    assert len(layer.sentences) == 4
    text = " ".join(str(report).split())
    assert all(words in text for words in layer.sentences)
