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


def test_the_page_shows_scalar_and_vector_responses(findings):
    """Both units of a rotation of modulus 1 keep their norm √2 at every step that is drawn."""
    [slider] = next(
        part for part in findings("linear").sections if part.heading == "The same for a vector"
    ).shown
    chart = slider.drawings[slider.labels.index("pair of modulus 1")]
    first, second = (np.array(line.y) for line in chart.lines)
    np.testing.assert_allclose(np.hypot(first, second), np.sqrt(2), rtol=1e-12)


def test_superposition_is_drawn(findings):
    """The two responses put together lie on the response to both inputs."""
    chart = findings("linear").sections[0].shown[0].drawing
    together, summed = (np.array(line.y) for line in chart.lines[2:])
    np.testing.assert_allclose(together, summed, atol=1e-12)
