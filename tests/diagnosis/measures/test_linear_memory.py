"""Closed forms of linear recurrences: Fisher memory, capacity, sensitivity, impulse responses."""

import numpy as np
import pytest
import torch
from diagnosis.nets import layer_of, linear

from carousel.diagnosis import (
    fisher_memory,
    impulse_response,
    linear_capacity,
    linear_memory,
    observe,
    parameter_sensitivity,
)
from carousel.diagnosis.text import on_impulse
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError

FIRST = torch.eye(8, dtype=torch.float64)[0]


def line(gain=1.0):
    return gain * torch.diag(torch.ones(7, dtype=torch.float64), -1)


def orthogonal(n=8):
    return torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0]


def test_fisher_memory_of_a_scaled_rotation():
    """J(k) = (1 - a^2) a^(2k): 0.19, 0.1539, 0.124659 at a = 0.9, and 1 in total."""
    found = fisher_memory(0.9 * orthogonal(), FIRST)
    assert found.curve[:3] == pytest.approx([0.19, 0.1539, 0.124659], abs=1e-9)
    assert found.total == pytest.approx(1, abs=1e-7)


def test_fisher_memory_of_normal_matrices_is_one():
    """Any normal matrix and any direction: exactly 1 in total, however slowly it forgets."""
    q = orthogonal()
    for values in (torch.linspace(-0.9, 0.95, 8), torch.full((8,), 0.999)):
        normal = q @ torch.diag(values.double()) @ q.T
        v = torch.nn.functional.normalize(torch.randn(8, dtype=torch.float64), dim=0)
        assert fisher_memory(normal, v).total == pytest.approx(1, abs=1e-7)


def test_fisher_memory_of_any_matrix_is_at_most_n():
    """Non-normal matrices remember more, up to the number of units."""
    for _ in range(5):
        w = torch.randn(8, 8, dtype=torch.float64)
        w *= 0.9 / torch.linalg.eigvals(w).abs().max()
        assert fisher_memory(w, FIRST).total <= 8


@pytest.mark.parametrize(("gain", "total"), [(1, 2.7178571), (2, 6.3158), (4, 7.5664)])
def test_fisher_memory_of_a_delay_line(gain, total):
    """H_8 at gain 1, towards 8 as the gain grows."""
    assert fisher_memory(line(gain), FIRST).total == pytest.approx(total, abs=5e-5)


def test_linear_capacity_is_the_rank():
    """All units of a generic matrix and of a delay line, 1 without recurrence, the Krylov space otherwise, 0 unread."""
    for n in (3, 8, 40):
        w = torch.randn(n, n, dtype=torch.float64) / n**0.5
        assert linear_capacity(w, torch.randn(n, dtype=torch.float64)) == n
    assert linear_capacity(line(), FIRST) == 8
    assert linear_capacity(torch.zeros(8, 8), FIRST) == 1
    assert linear_capacity(torch.diag(torch.tensor([0.5, 0.5, 0.2, 0.1])), torch.ones(4)) == 3
    assert linear_capacity(line(), torch.zeros(8)) == 0


@pytest.mark.parametrize(("rate", "value"), [(0.9, 263.9), (0.99, 2.513e5)])
def test_the_curse_of_memory(rate, value):
    """The formula at 0.9 and 0.99, and what a simulation at 0.9 gives."""
    assert parameter_sensitivity(rate) == pytest.approx(value, rel=4e-4)
    if rate == 0.9:
        h = torch.zeros(20_000, dtype=torch.float64)
        slope = torch.zeros_like(h)
        for _ in range(200):
            h, slope = rate * h + torch.randn(20_000, dtype=torch.float64), h + rate * slope
        assert slope.square().mean().item() == pytest.approx(value, rel=0.1)


def test_the_impulse_response_of_a_linear_layer():
    """W^k W_x, exactly, for every input."""
    w, w_x = 0.4 * torch.randn(3, 3, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    found = impulse_response(linear(w, w_x), steps=6, size=0.01)
    for k in range(7):
        expected = torch.linalg.matrix_power(w, k) @ w_x
        np.testing.assert_allclose(found.values[k].T, expected.numpy(), atol=1e-10)
        np.testing.assert_allclose(found.norms[k], expected.norm(dim=0).numpy(), atol=1e-10)


def test_a_small_impulse_in_a_nonlinear_layer():
    """A small impulse is carried by the Jacobians from a given state; without one the layer settles first."""
    layer = layer_of(CELLS["lstm"], scale=0.5)
    s = torch.randn(layer.size, dtype=torch.float64)
    x = torch.zeros(3, dtype=torch.float64)
    found = impulse_response(layer, steps=2, size=1e-6, s=s)
    first = layer.linearise(x[None], s[None])
    after = layer.linearise(x[None], first.new_state)
    expected = (after.matrix() @ first.input_matrix())[0, :4]
    np.testing.assert_allclose(found.values[1].T, expected.numpy(), atol=1e-5)
    settled = impulse_response(layer, steps=60)
    assert settled.norms[60].max() < settled.norms[1].max()


def test_the_state_is_struck_too():
    """c of an LSTM holds what a shut output gate does not show; a trajectory will do for its layer."""
    lstm = torch.nn.LSTM(2, 3).double()
    with torch.no_grad():
        lstm.weight_hh_l0.zero_()
        lstm.bias_ih_l0[3:6] = 6.0
        lstm.bias_ih_l0[9:] = -40.0
    [trajectory] = observe(lstm, torch.randn(30, 2, 2).double()).trajectories
    found = impulse_response(trajectory, steps=20)
    assert set(found.states) == {"h", "c"}
    assert found.states["h"] == pytest.approx(found.norms)
    assert found.states["c"].min() > 1e6 * found.norms.max()
    assert found.steps_of("c") is None
    assert "; c " in on_impulse(found)
    assert linear_memory(trajectory) is None


def test_unusable_matrices_are_named():
    """Shapes that do not fit, NaN, noise that adds up without end, a rate of 1."""
    with pytest.raises(CarouselError, match=r"they have shapes \(2, 3\) and \(3,\)"):
        linear_capacity(torch.ones(2, 3), torch.ones(3))
    with pytest.raises(CarouselError, match="NaN or infinite"):
        linear_capacity(torch.full((2, 2), float("nan")), torch.ones(2))
    with pytest.raises(CarouselError, match="adds up without end; it is 1"):
        fisher_memory(torch.eye(2), torch.ones(2))
    with pytest.raises(CarouselError, match="between -1 and 1"):
        parameter_sensitivity(1.0)
