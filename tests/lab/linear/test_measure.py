"""Linear recurrences against linear algebra."""

import numpy as np
import pytest
import torch

from carousel.lab.linear import measure as linear


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("linear").numbers


def test_superposition_is_exact_to_rounding(numbers):
    """Sum, shift and start as an input agree to float64's rounding."""
    assert numbers["superposition error"] < 1e-12
    assert numbers["shift error"] == 0.0
    assert numbers["initial state error"] < 1e-12


def test_growth_is_the_spectral_radius(numbers):
    """Measured growth per step is the largest modulus, for every random matrix."""
    np.testing.assert_allclose(numbers["growth rates"], numbers["radii"], rtol=0.02)


def test_directions_agree_except_one(numbers):
    """Random inputs grow at 1.1; the one made without the largest eigenvector clearly slower."""
    np.testing.assert_allclose(numbers["direction rates at 1.1"], 1.1, rtol=0.02)
    assert numbers["rate of the missing direction"] < 1.05
    assert numbers["rate of the missing direction in the end"] == pytest.approx(1.1, abs=0.02)


def test_a_non_normal_matrix_first_grows(numbers):
    """[[.5, 10], [0, .5]] grows tenfold, with 100 a hundredfold, as numpy's powers say."""
    peaks = dict(zip(numbers["couplings"], numbers["largest growth"], strict=True))
    assert peaks[10.0] == pytest.approx(10.0249, abs=1e-4)
    assert peaks[100.0] > 100
    powers = [
        np.linalg.norm(np.linalg.matrix_power(linear.non_normal(10.0).numpy(), k), 2) for k in range(31)
    ]
    np.testing.assert_allclose(linear.norms(linear.non_normal(10.0), 30, worst=True), powers, rtol=1e-12)


def test_modulus_one(numbers):
    """A rotation keeps its norm; a Jordan block with eigenvalue 1 grows like k/√2; -1.2 flips at every step."""
    assert numbers["rotation norm after 60"] == pytest.approx(1.0, abs=1e-12)
    assert numbers["Jordan norm after 60"] == pytest.approx(np.hypot(61, 1) / np.sqrt(2), rel=1e-12)
    assert numbers["sign flips at -1.2"] == 60


def test_the_response_is_the_powers_of_w():
    """h_k = W^k W_x x_0, with a W_x of its own."""
    matrix, weight_x = linear.random_matrix(0.9, 3, size=5), torch.ones(5, 2, dtype=torch.float64)
    path = linear.respond(matrix, linear.impulse(torch.tensor([1.0, 2.0]).double(), 6), weight_x=weight_x)
    torch.testing.assert_close(path[5], torch.linalg.matrix_power(matrix, 5) @ weight_x.sum(1) * 1.5)
