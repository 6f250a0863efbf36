"""Linear recurrences against linear algebra."""

import numpy as np
import pytest
import torch

from carousel.lab.linear import measure as linear


@pytest.fixture(scope="module")
def found(measured):
    return measured("linear")


def test_superposition_is_exact_to_rounding(found):
    """Sum, shift and start as an input agree to float64's rounding."""
    assert found.errors["superposition"] < 1e-12
    assert found.errors["shift"] == 0.0
    assert found.errors["initial state"] < 1e-12


def test_growth_is_the_spectral_radius(found):
    """Measured growth per step is the largest modulus, for every random matrix."""
    radii, rates = zip(*found.rates, strict=True)
    np.testing.assert_allclose(rates, radii, rtol=0.02)


def test_directions_agree_except_one(found):
    """Random inputs grow at 1.1; the one made without the largest eigenvector clearly slower."""
    np.testing.assert_allclose(found.directions, 1.1, rtol=0.02)
    assert found.missing[0] < 1.05
    assert found.missing[1] == pytest.approx(1.1, abs=0.02)


def test_a_non_normal_matrix_first_grows(found):
    """[[.5, 10], [0, .5]] grows tenfold, with 100 a hundredfold, as numpy's powers say."""
    assert found.peaks[10.0] == pytest.approx(10.0249, abs=1e-4)
    assert found.peaks[100.0] > 100
    powers = [
        np.linalg.norm(np.linalg.matrix_power(linear.non_normal(10.0).numpy(), k), 2) for k in range(31)
    ]
    np.testing.assert_allclose(linear.norms(linear.non_normal(10.0), 30, worst=True), powers, rtol=1e-12)


def test_modulus_one(found):
    """A rotation keeps its norm; a Jordan block with eigenvalue 1 grows like k/√2; -1.2 flips at every step."""
    assert found.special["pair of modulus 1"][-1] == pytest.approx(1.0, abs=1e-12)
    assert found.special["repeated 1 (Jordan block)"][-1] == pytest.approx(
        np.hypot(61, 1) / np.sqrt(2), rel=1e-12
    )
    assert found.sign_flips == 60


def test_the_response_is_the_powers_of_w():
    """h_k = W^k W_x x_0, with a W_x of its own."""
    matrix, weight_x = linear.random_matrix(0.9, 3, size=5), torch.ones(5, 2, dtype=torch.float64)
    path = linear.respond(matrix, linear.impulse(torch.tensor([1.0, 2.0]).double(), 6), weight_x=weight_x)
    torch.testing.assert_close(path[5], torch.linalg.matrix_power(matrix, 5) @ weight_x.sum(1) * 1.5)
