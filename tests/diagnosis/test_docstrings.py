"""The examples in the docstrings run."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "diagnose", "measures.fixed_points", "measures.gates", "measures.gradient_by_lag", "measures.gradient_by_layer",
    "measures.impulse_response", "measures.linear_memory", "measures.lyapunov", "measures.memory",
    "measures.saturation", "measures.spectrum", "measures.stability", "measures.text_properties", "monitor",
    "observation.layers", "observation.loss", "observation.scaled", "observation.stack", "observation.trajectory",
    "verdicts.findings", "verdicts.remedies", "verdicts.weights",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    """Each example gives what it shows."""
    result = doctest.testmod(import_module(f"carousel.diagnosis.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
