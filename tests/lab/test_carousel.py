"""Gradients over 1,000 steps against theory, and the lecture's formulas against the engine's gradient."""

import math

import numpy as np
import pytest

from carousel.lab import carousel


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("carousel").numbers


def test_the_open_carousel_keeps_the_gradient(numbers):
    """With f = 1 a gradient is still there after 1,000 steps, of the tanh net nothing is."""
    assert numbers["LSTM, f = 1: gradient kept after 1000"] > 0.1
    assert numbers["RNN, tanh: gradient kept after 1000"] < 1e-30


def test_starts_are_ordered(numbers):
    """After 100 steps: bias 0 has less than bias 1, that less than chrono, that less than f = 1."""
    kept = [
        numbers[f"LSTM, {name}: gradient kept after 100"] for name in ("bias 0", "bias 1", "chrono", "f = 1")
    ]
    assert kept == sorted(kept)
    assert kept[0] < 1e-10 < 1e-3 < kept[2]


def test_the_carousel_alone_is_sigmoid_b_to_the_k(numbers):
    """Without weights 100 steps leave sigmoid(b)^100 of the cell's gradient."""
    theory = [(1 / (1 + math.exp(-bias))) ** 100 for bias in numbers["biases"]]
    np.testing.assert_allclose(numbers["gradient kept after 100 by bias"], theory, rtol=1e-9)


def test_the_formulas_of_the_lecture(numbers):
    """Corrected they are the gradient; each misprint alone is not."""
    assert numbers["error of the formulas corrected"] < 1e-12
    assert numbers["error of only the factor behind W_Ci"] > 1e-3
    assert numbers["error of only o and W_ho in place of i and W_hC"] > 1e-3


def test_distance_counts_from_the_end():
    """The curve of a tanh net starts at one step back and falls with the distance."""
    curve = carousel.gradient_by_distance(carousel._layers()["RNN, tanh"], 0, steps=20)
    assert len(curve) == 20
    assert curve[0] > curve[9] > curve[19]
