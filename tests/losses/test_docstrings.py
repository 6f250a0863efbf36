"""The examples in the docstrings run."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "adaptive_softmax",
        "bernoulli",
        "cross_entropy",
        "kl_divergence",
        "linear_cross_entropy",
        "squared_error",
    ],
)
def test_examples(name):
    """Each example gives what it shows."""
    result = doctest.testmod(import_module(f"carousel.losses.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
