"""What is said of a layer follows from its numbers."""

from dataclasses import replace

import torch
from torch import nn

from carousel.diagnosis import diagnose, gradient_by_lag, observe, stability
from carousel.diagnosis.equilibria import resting
from carousel.diagnosis.sentences import on_rest, on_shrinking, on_stability


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
    assert proven.startswith("bounded for bounded inputs (")
    assert "= 0.5 < 1" in proven
    open_ = on_stability(stability(scaled(1.2)))
    assert "no certificate proves" in open_
    assert "two near starts part, 0.18" in open_  # ln 1.2 = 0.182


def test_the_share_of_activations_is_told():
    """By weights alone where tanh is straight; nothing is said of a gradient that does not shrink."""
    assert "0 % is by activations" in on_shrinking(gradient_by_lag(scaled(0.5))).replace("0%", "0 %")
    assert on_shrinking(gradient_by_lag(scaled(1.2))) == ""


def test_where_it_rests():
    """w = 1.5 without input: zero repels, two others are stable; a state that is too large is left alone, and said."""
    rnn = nn.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        rnn.weight_hh_l0.fill_(1.5)
    [trajectory] = observe(rnn, 1e-9 * torch.randn(30, 3, 1).double()).trajectories
    words = on_rest(resting(replace(trajectory, states=torch.randn(31, 3, 1).double())))
    assert "2 stable, 1 repelling fixed points" in words
    assert "reached from 16 of 16 starts" in words
    [large] = observe(nn.RNN(1, 257), torch.randn(3, 2, 1)).trajectories
    assert resting(large) is None
    assert "left to carousel.diagnosis.fixed_points" in on_rest(None)


def test_a_diagnosis_says_them():
    """Printed with the layer's name."""
    report = diagnose(nn.LSTM(3, 6), torch.randn(20, 2, 3))
    [layer] = report.layers
    assert len(layer.sentences) == 4
    text = " ".join(str(report).split())
    assert all(f"{words[0].upper()}{words[1:]}." in text for words in layer.sentences)
