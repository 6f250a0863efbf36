"""Weights and numbers near the ends of what floating point holds: a diagnosis says so, and does not break."""

import dataclasses
import math

import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import diagnose, impulse_response, judge, matrix_spectrum, recurrent_layers


def scaled(module, factor):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(factor)
    return module


@pytest.mark.parametrize(
    ("make", "factor", "steps", "finding"),
    [
        (lambda: nn.LSTM(3, 8), 1e3, 2, "saturated"),
        (lambda: nn.LSTM(3, 8), 1e20, 12, "saturated"),
        (lambda: carousel.LSTM(3, 8, peephole="full"), 1e3, 12, "saturated"),
        (lambda: nn.RNN(3, 8), 1e5, 12, "saturated"),
        (lambda: nn.RNN(3, 8, nonlinearity="relu"), 1e3, 60, "exploding"),
        (lambda: nn.RNN(3, 8, nonlinearity="relu"), 1e20, 2, "exploding"),
    ],
)
def test_huge_weights_have_a_diagnosis(make, factor, steps, finding, tmp_path):
    """Weights of 1e3 and far more are saturated or exploding: printed and drawn, not an error of linear algebra."""
    torch.manual_seed(0)
    report = diagnose(scaled(make(), factor), torch.randn(steps, 3, 3))
    assert finding in [each.name for each in report.troubles]
    assert report.save(tmp_path / "page.html").stat().st_size > 10_000
    assert finding in str(report)


def test_what_float32_rounds_away_is_not_held_against_a_module():
    """Two LSTMs of 70 units with weights of 1e4 differ from their equations by their own rounding, and are judged."""
    torch.manual_seed(0)
    assert judge(scaled(nn.LSTM(3, 70, num_layers=2), 1e4), torch.randn(12, 3, 3))[0].name == "saturated"


def test_powers_beyond_all_numbers_are_infinite():
    """||W^k|| of 1e200 times the identity; its other numbers are exact."""
    found = matrix_spectrum(1e200 * torch.eye(3, dtype=torch.float64))
    assert (found.radius, found.norm, found.henrici) == (1e200, 1e200, 0.0)
    assert found.powers[:2] == pytest.approx([1.0, 1e200])
    assert all(math.isinf(power) for power in found.powers[2:])
    assert matrix_spectrum(1e5 * torch.eye(3)).powers[60] == pytest.approx(1e300)


def test_an_impulse_is_followed_to_the_end_of_all_numbers():
    """In 10^k I, after 50 steps of k = 6, the squares of the response are no numbers any more; its norm is."""
    rnn = carousel.RNN(2, 2, nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(1e6 * torch.eye(2))
        rnn.weight_ih_l0.copy_(torch.eye(2))
    [layer] = recurrent_layers(rnn)
    found = impulse_response(layer, steps=50, s=torch.zeros(2))
    assert found.norms[50] == pytest.approx(1e300, rel=1e-9)
    assert found.states["h"][50] == pytest.approx(1e300, rel=1e-9)


def test_a_repr_is_short():
    """That of a diagnosis is a line; every measure in it names its arrays by shape."""
    report = diagnose(nn.LSTM(3, 32), torch.randn(80, 4, 3))
    names = ", ".join(each.name for each in report.findings)
    assert repr(report) == f"<Diagnosis of LSTM, 4,736 parameters: {names}; print it for the report>"
    [layer] = report.layers
    held = [layer, *report.findings, *(getattr(layer, field.name) for field in dataclasses.fields(layer))]
    assert all(len(repr(each)) < 1500 for each in held)
    assert "log_worst=array(81, 4)" in repr(layer.gradient)
    assert len(repr(report.compare(report))) < 1500
