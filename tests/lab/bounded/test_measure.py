"""Bounds that theory gives, and saturation against readable input."""

import pytest

from carousel.lab.bounded.measure import drive


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("bounded").numbers


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_bounded_activations_stay_bounded(numbers, name):
    """No state passes 1, whatever the weights."""
    assert max(numbers[f"{name} largest state"]) <= 1.0


@pytest.mark.parametrize("name", ["relu", "identity"])
def test_unbounded_activations_do_not(numbers, name):
    """With large weights states pass a million, with small ones they stay small."""
    assert numbers[f"{name} largest state"][-1] > 1e6
    assert numbers[f"{name} largest state"][0] < 10


def test_saturation_hides_the_input_of_a_unit(numbers):
    """Without a loop one tanh unit tells nearly all of its input; with a strong one nearly nothing."""
    assert numbers["tanh unit input shown"][0] > 0.95
    assert numbers["tanh unit input shown"][-1] < 0.3


def test_large_weights_saturate(numbers):
    """Small weights saturate nothing, large ones nearly every state."""
    assert numbers["tanh saturated"][0] < 0.01
    assert numbers["tanh saturated"][-1] > 0.9


def test_an_open_cell_counts(numbers):
    """With all gates open and g = 1 the cell state is the number of steps."""
    assert numbers["LSTM largest c"] == pytest.approx(200, abs=1e-6)


def test_what_leaves_the_range_of_numbers_is_no_small_state():
    """Doubled 2,000 times a linear state is infinite, less itself no number, and counts as beyond every bound."""
    assert drive("identity", 2.0, 2_000).largest > 1e300
