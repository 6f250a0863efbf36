"""Fixed points that are known: of scalar cells, of bistable units, of an LSTM."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import fixed_points, observe, recurrent_layers
from carousel.errors import CarouselError


def scalar(nonlinearity, weight):
    module = carousel.RNN(1, 1, nonlinearity=nonlinearity, bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.fill_(weight)
    return recurrent_layers(module)[0]


def test_a_tanh_unit_below_and_above_one():
    """w = 0.9: only 0, multiplier 0.9. w = 1.1: 0 repels, +-0.5029405749 attract with multiplier 0.8217558559."""
    below = fixed_points(scalar("tanh", 0.9))
    assert below.points == pytest.approx(np.zeros((1, 1)), abs=1e-8)
    assert below.eigenvalues[0, 0].real == pytest.approx(0.9)
    assert below.kinds == ["stable"]
    above = fixed_points(scalar("tanh", 1.1))
    order = above.points[:, 0].argsort()
    assert above.points[order, 0] == pytest.approx([-0.5029405749, 0, 0.5029405749], abs=1e-9)
    assert above.eigenvalues[order, 0].real == pytest.approx([0.8217558559, 1.1, 0.8217558559], abs=1e-9)
    assert [above.kinds[i] for i in order] == ["stable", "repelling", "stable"]
    assert above.counts == {"stable": 2, "repelling": 1}


def test_a_tanh_unit_at_one_is_marginal():
    """w = 1: 0 attracts only like sqrt(3 / 2k), 0.0027386 after 2e5 steps, and its multiplier is 1."""
    found = fixed_points(scalar("tanh", 1.0))
    assert set(found.kinds) == {"marginal"}
    assert np.abs(found.points).max() < 1e-3
    h = 1.0
    for _ in range(200_000):
        h = math.tanh(h)
    assert h == pytest.approx(0.0027386, abs=1e-7)


@pytest.mark.parametrize(
    ("weight", "point", "multiplier"),
    [(0.9, 0.6401848005, 0.2073134), (1.0, 0.6590460684, 0.2247043), (1.1, 0.6783458712, 0.2400120)],
)
def test_a_sigmoid_unit_forgets_its_start(weight, point, multiplier):
    """One fixed point with a small multiplier, whatever the start."""
    found = fixed_points(scalar("sigmoid", weight))
    assert found.points == pytest.approx(np.array([[point]]), abs=1e-9)
    assert found.eigenvalues[0, 0].real == pytest.approx(multiplier, abs=1e-6)
    assert found.kinds == ["stable"]
    assert (found.found[0], found.missed) == (64, 0)
    near, far = 0.0, 1.0
    for _ in range(5):
        near, far = (1 / (1 + math.exp(-weight * h)) for h in (near, far))
    assert abs(near - far) < 2e-3


def test_three_bistable_units_are_a_flip_flop():
    """3 bits: 8 stable states, and between them 18 saddles and one point that repels."""
    module = nn.RNN(1, 3, bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(1.5 * torch.eye(3))
    found = fixed_points(recurrent_layers(module)[0], starts=512)
    assert found.counts == {"stable": 8, "saddle": 18, "repelling": 1}
    stable = found.points[[kind == "stable" for kind in found.kinds]]
    assert len(np.unique(np.sign(stable), axis=0)) == 8


def flip_flop(hidden):
    """An LSTM of units that hold a bit each: g copies its own h back."""
    module = nn.LSTM(1, hidden).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.weight_hh_l0[2 * hidden : 3 * hidden] = 6 * torch.eye(hidden)
        module.bias_ih_l0[hidden : 2 * hidden] = 2
        module.bias_ih_l0[3 * hidden :] = 3
    return module


def test_an_lstm_has_fixed_points_of_h_and_c():
    """Each is a state that a step does not move, in both parts, and its kind is what perturbed runs do."""
    [layer] = recurrent_layers(flip_flop(3))
    found = fixed_points(layer, starts=300)
    assert found.counts["stable"] == 8
    points, x = torch.tensor(found.points), torch.zeros(len(found.points), 1, dtype=torch.float64)
    assert (layer.step(x, points) - points).abs().max() < 1e-8
    moved = points + 1e-4 * torch.randn_like(points)
    for _ in range(200):
        moved = layer.step(x, moved)
    returned = (moved - points).norm(dim=1) < 1e-6
    assert returned.tolist() == [kind == "stable" for kind in found.kinds]


def test_starts_and_input_of_a_trajectory():
    """From a trajectory the search begins where the states were, under its mean input."""
    [trajectory] = observe(nn.GRU(2, 4).double(), torch.randn(40, 2, 2).double() + 1).trajectories
    found = fixed_points(trajectory)
    mean = trajectory.inputs.mean(dim=(0, 1))
    points = torch.tensor(found.points)
    assert len(points) == 1
    assert (trajectory.layer.step(mean.expand(len(points), -1), points) - points).abs().max() < 1e-8


def test_linear_growth_is_found_at_zero_only():
    """A linear network without a bias rests at 0 and nowhere else, even if that repels."""
    found = fixed_points(scalar("identity", 1.5))
    assert found.points == pytest.approx(np.zeros((1, 1)), abs=1e-8)
    assert found.kinds == ["repelling"]


def test_wrong_sizes_are_named():
    """Starts and inputs must fit the layer."""
    with pytest.raises(CarouselError, match=r"takes an input x of shape \(1,\) and starts of shape \(P, 1\)"):
        fixed_points(scalar("tanh", 1.0), starts=torch.zeros(3, 2))


def test_a_gru_has_no_fixed_point_beyond_one():
    """With strong weights z rounds to 1, so that any h seems to rest; but h is a convex combination within [-1, 1]."""
    torch.manual_seed(0)
    module = nn.GRU(3, 8)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=3)
    [layer] = recurrent_layers(module)
    found = fixed_points(layer, starts=64)
    assert found.unreachable > 0
    assert (np.abs(found.points) <= 1.001).all()
