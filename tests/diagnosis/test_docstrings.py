"""The examples in the docstrings run."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "activations", "by_lag", "by_layer", "certificates", "course", "diagnosing", "equilibria", "exponents", "findings",
    "horizon", "impulse", "layers", "linear", "monitor", "next_symbol", "properties", "remedies", "scaled", "spectra",
    "stack", "trajectory",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    """Each example gives what it shows."""
    result = doctest.testmod(import_module(f"carousel.diagnosis.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
