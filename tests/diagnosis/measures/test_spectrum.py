"""Spectra of matrices that are known, of the weights of each gate and of Jacobians along a trajectory."""

import numpy as np
import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import matrix_spectrum, observe, spectrum, stacked
from carousel.diagnosis.measures import spectrum as module
from carousel.errors import CarouselError


def test_a_non_normal_matrix():
    """[[.5, 10], [0, .5]]: all eigenvalues 0.5, and yet a change grows to 10.02 before it fades."""
    found = matrix_spectrum(torch.tensor([[0.5, 10.0], [0.0, 0.5]]))
    assert found.powers[[1, 2, 3]] == pytest.approx([10.0249, 10.0062, 7.5021], abs=5e-5)
    assert found.powers[[5, 10, 20]] == pytest.approx([3.1253, 0.1953, 0.0004], abs=5e-5)
    assert found.radius == pytest.approx(0.5)
    assert (found.peak, found.peak_power) == (pytest.approx(10.0249, abs=5e-5), 1)
    assert found.henrici == pytest.approx(10)
    assert found.norm == pytest.approx(10.0249, abs=5e-5)


def test_a_normal_matrix_has_no_gap():
    """Rotation times 0.9: eigenvalues and singular values agree, Henrici's number is 0, nothing grows."""
    q = torch.linalg.qr(torch.randn(6, 6).double())[0]
    found = matrix_spectrum(0.9 * q)
    np.testing.assert_allclose(np.abs(found.eigenvalues), 0.9, atol=1e-12)
    np.testing.assert_allclose(found.singular_values, 0.9, atol=1e-12)
    assert found.henrici < 1e-6
    assert (found.peak, found.peak_power) == (1.0, 0)


def test_power_iteration_agrees_with_the_exact_norms(monkeypatch):
    """Large matrices: the norms of their powers come from below, and near."""
    matrix = torch.randn(60, 60) / 60**0.5
    exact = matrix_spectrum(matrix)
    monkeypatch.setattr(module, "LARGE", 10)
    found = matrix_spectrum(matrix)
    assert found.exponents.tolist() == [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    expected = exact.powers[found.exponents]
    assert (found.powers <= expected * (1 + 1e-5)).all()  # in float32
    np.testing.assert_allclose(found.powers, expected, rtol=0.2)
    np.testing.assert_allclose(found.powers[:2], expected[:2], rtol=1e-4)  # W itself is not estimated
    assert exact.powers[found.peak_power] > 0.9 * expected.max()
    np.testing.assert_allclose(found.singular_values, exact.singular_values, rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.eigenvalues), np.abs(exact.eigenvalues), atol=1e-5)


@pytest.mark.parametrize("gain", [1e-3, 1e3])
def test_powers_of_large_matrices_leave_float32(monkeypatch, gain):
    """gain^32 is far outside of what float32 holds; the norms of the powers are right all the same, and 0 where due."""
    monkeypatch.setattr(module, "LARGE", 10)
    found = matrix_spectrum(gain * torch.linalg.qr(torch.randn(20, 20))[0])
    np.testing.assert_allclose(np.log(found.powers[1:]), found.exponents[1:] * np.log(gain), rtol=1e-4)
    shift = matrix_spectrum(torch.diag(torch.ones(11), -1))  # nilpotent: its 12th power is 0
    assert shift.powers[shift.exponents >= 12].tolist() == [0.0] * 4


def test_weights_by_gate_and_jacobians_on_the_way():
    """An LSTM: the four recurrent matrices by name; Jacobians of h and c together, at the steps it names."""
    module = nn.LSTM(3, 5).double()
    [trajectory] = observe(module, torch.randn(9, 2, 3).double()).trajectories
    found = spectrum(trajectory, steps=4)
    assert list(found.weights) == ["i", "f", "g", "o"]
    blocks = module.weight_hh_l0.detach().split(5)
    for name, block in zip("ifgo", blocks, strict=True):
        assert found.weights[name].norm == pytest.approx(torch.linalg.matrix_norm(block, ord=2).item())
    assert found.steps.shape == (4, 2)
    for (t, b), each in zip(found.steps, found.jacobians, strict=True):
        jacobian = trajectory.layer.jacobian(trajectory.inputs[t, b][None], trajectory.states[t, b][None])[0]
        assert each.radius == pytest.approx(torch.linalg.eigvals(jacobian).abs().max().item())
        assert len(each.eigenvalues) == 10
    assert found.radius == pytest.approx(np.median([each.radius for each in found.jacobians]))
    assert found.norm >= found.radius


def test_a_full_peephole_has_matrices_from_both_states():
    """The matrices that read c are named so."""
    [trajectory] = observe(carousel.LSTM(3, 4, peephole="full"), torch.randn(5, 2, 3)).trajectories
    names = ["i", "i from c", "f", "f from c", "g", "o", "o from c"]
    assert sorted(spectrum(trajectory, steps=1).weights) == sorted(names)


def test_what_has_no_spectrum():
    """A matrix that is not square or not finite, and a stack of layers."""
    with pytest.raises(CarouselError, match=r"square matrix of finite numbers; got shape \(2, 3\)"):
        matrix_spectrum(torch.ones(2, 3))
    with pytest.raises(CarouselError, match="NaN or infinite"):
        matrix_spectrum(torch.full((2, 2), float("inf")))
    seen = observe(nn.GRU(2, 3, num_layers=2), torch.randn(5, 2, 2))
    with pytest.raises(CarouselError, match="one layer"):
        spectrum(stacked(seen.trajectories))
