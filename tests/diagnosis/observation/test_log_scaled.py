"""Vectors that carry a logarithm."""

import doctest

from carousel.diagnosis.observation import log_scaled


def test_the_example():
    """A norm of 2e-400, which no float64 holds, is an ordinary logarithm."""
    assert doctest.testmod(log_scaled).failed == 0
