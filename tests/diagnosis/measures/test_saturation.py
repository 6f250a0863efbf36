"""Saturation by slope, per unit, gate and step; and the series of gates over a batch."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import carousel
from carousel.diagnosis import Property, gates_over_time, observe, saturation, stacked, tracking_units
from carousel.errors import CarouselError


def only(module, x):
    [trajectory] = observe(module.double(), x, gradients=False).trajectories
    return trajectory


def test_saturation_is_by_slope():
    """A tanh is saturated where 1 - tanh^2 < 0.01; the shares by unit and by step are counts of that."""
    trajectory = only(nn.RNN(2, 5), 8 * torch.randn(30, 3, 2).double())
    found = saturation(trajectory).activations["h"]
    flat = (1 - trajectory.states[1:] ** 2 < 0.01).double()
    assert flat.mean() > 0.1
    np.testing.assert_allclose(found.by_unit, flat.mean(dim=(0, 1)).numpy())
    np.testing.assert_allclose(found.by_step, flat.mean(dim=(1, 2)).numpy())
    assert found.share == pytest.approx(flat.mean().item())
    np.testing.assert_allclose(found.mean, trajectory.states[1:].mean(dim=(0, 1)).numpy())


def test_a_limit_on_inputs_comes_far_too_late():
    """At 9.4999, the limit of another monitor, tanh passes 2.24e-8 of a gradient; by slope 3.1 counts already."""
    module = nn.RNN(1, 1, bias=False)
    with torch.no_grad():
        module.weight_ih_l0.fill_(1.0)
        module.weight_hh_l0.zero_()
    trajectory = only(module, torch.tensor([2.9, 3.1, 9.4999]).double().reshape(3, 1, 1))
    [[slope]] = trajectory.layer.linearise(*trajectory.points()).slopes.values()
    assert slope[2].item() == pytest.approx(2.24e-8, rel=1e-3)
    assert saturation(trajectory).activations["h"].by_step.tolist() == [0, 1, 1]


def test_gates_that_are_always_open_or_shut():
    """A forget bias of 10 and an input bias of -10: both gates saturated at every step, on opposite sides."""
    module = nn.LSTM(2, 3)
    with torch.no_grad():
        module.bias_ih_l0[:3] = -10
        module.bias_ih_l0[3:6] = 10
    found = saturation(only(module, torch.randn(20, 2, 2).double()))
    assert found.activations["i"].always.all()
    assert found.activations["f"].always.all()
    assert (found.activations["i"].low == 1).all()
    assert (found.activations["f"].high == 1).all()
    assert not found.activations["o"].always.any()
    assert [each.kind for each in found.activations.values()] == [
        "sigmoid",
        "sigmoid",
        "tanh",
        "sigmoid",
        "tanh",
    ]
    assert 0.4 <= found.share <= 0.6


def test_dead_relu_units_are_counted():
    """A unit whose bias is far below zero never fires; half-open units are nothing unusual."""
    module = carousel.RNN(2, 4, nonlinearity="relu")
    with torch.no_grad():
        module.bias_ih_l0[:] = torch.tensor([-50.0, 0.0, 0.5, 50.0])
        module.weight_hh_l0.zero_()
    found = saturation(only(module, torch.randn(50, 2, 2).double()))
    assert found.dead == 1
    assert found.activations["h"].always.tolist() == [True, False, False, False]
    assert found.share == 0


def test_padding_does_not_count():
    """In a ragged batch only valid steps are counted."""
    x = 3 * torch.randn(9, 2, 2).double()
    module = nn.GRU(2, 4).double()
    packed = saturation(only(module, pack_padded_sequence(x, [9, 4])))
    both = [saturation(only(module, x[:length, b : b + 1])) for b, length in enumerate((9, 4))]
    for name, found in packed.activations.items():
        joined = (9 * both[0].activations[name].by_unit + 4 * both[1].activations[name].by_unit) / 13
        np.testing.assert_allclose(found.by_unit, joined)


def test_the_series_of_gates_is_the_modules_trace():
    """Every named vector at every step, also of a reverse layer, is what `module.trace` gives."""
    module = carousel.LSTM(3, 4, bidirectional=True).double()
    x = torch.randn(8, 2, 3).double()
    for trajectory, trace in zip(observe(module, x).trajectories, module.trace(x), strict=True):
        series = gates_over_time(trajectory)
        assert list(series.values) == list(trace.values)
        for name, value in trace.values.items():
            np.testing.assert_allclose(series.values[name], value.detach().float().numpy(), atol=1e-6)
        assert series.mean("f") == pytest.approx(trace.values["f"].detach().mean(dim=-1).numpy(), abs=1e-6)
        assert series.quantiles("f").shape == (3, 8, 2)
        assert series.units("c", [2, 0], 1).shape == (8, 2)
        with pytest.raises(CarouselError, match="no vector 'z'; it has i, f, g, c, o, h"):
            series.mean("z")


def test_units_that_track_a_property_are_found():
    """A unit wired to an input is the one that follows it."""
    module = nn.RNN(1, 5).double()
    with torch.no_grad():
        module.weight_hh_l0.mul_(0.1)
        module.weight_ih_l0.zero_()
        module.weight_ih_l0[3] = 0.5
    x = torch.randn(200, 1, 1).double()
    follows = Property("level", "high the series stands", x[:, 0, 0].numpy(), False)
    [unit] = tracking_units([gates_over_time(only(module, x)).trace()], [follows], number=1)
    assert (unit.index, unit.state, unit.property) == (3, "h", "level")
    assert unit.correlation > 0.95


def test_stacks_are_looked_at_layer_by_layer():
    """Neither saturation nor a series of gates is of several layers at once."""
    whole = stacked(observe(nn.GRU(2, 3, num_layers=2), torch.randn(5, 2, 2)).trajectories)
    for measure in (saturation, gates_over_time):
        with pytest.raises(CarouselError, match="one by one"):
            measure(whole)
