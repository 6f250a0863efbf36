"""Measurements become JSON by the names of their fields."""

import json
import math
from dataclasses import dataclass, field

import pytest

from carousel.lab import EXPERIMENTS, Budget
from carousel.lab.experiment import numbers


@dataclass(frozen=True)
class Part:
    value: float
    drawn: object = field(repr=False)


def test_fields_and_keys_are_names():
    """Dataclasses and mappings nest, a key of several parts is one name, and what is only drawn is left out."""
    found = {("tanh", 0.9): Part(1.5, object()), "all": [Part(2.0, None)]}
    assert numbers(found) == {"tanh, 0.9": {"value": 1.5}, "all": [{"value": 2.0}]}


def test_what_is_not_finite_is_null():
    """JSON has neither infinity nor NaN."""
    assert json.dumps(numbers([math.inf, math.nan, 1.0]), allow_nan=False) == "[null, null, 1.0]"


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "long-lag"])
def test_every_experiment_keeps_its_numbers(measured, name):
    """All that an experiment measured can be written, and is not so much that nobody reads it."""
    assert 0 < len(json.dumps(numbers(measured(name)), allow_nan=False)) < 150_000


def test_a_budget_without_a_value_of_its_own_is_the_usual_one():
    """Where more time gains nothing, `full` runs as usual."""
    assert [budget.choose(1, 2) for budget in Budget] == [1, 2, 2]
    assert [budget.choose(1, 2, 3) for budget in Budget] == [1, 2, 3]
