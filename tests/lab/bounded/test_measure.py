"""Bounds that theory gives, and saturation against readable input."""

import pytest

from carousel.lab.bounded.measure import drive


@pytest.fixture(scope="module")
def found(measured):
    return measured("bounded")


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_bounded_activations_stay_bounded(found, name):
    """No state passes 1, whatever the weights."""
    assert max(each.largest for each in found.networks[name]) <= 1.0


@pytest.mark.parametrize("name", ["relu", "identity"])
def test_unbounded_activations_do_not(found, name):
    """With large weights states pass a million, with small ones they stay small."""
    assert found.networks[name][-1].largest > 1e6
    assert found.networks[name][0].largest < 10


def test_saturation_hides_the_input_of_a_unit(found):
    """Without a loop one tanh unit tells nearly all of its input; with a strong one nearly nothing."""
    assert found.units["tanh"][0].readable > 0.95
    assert found.units["tanh"][-1].readable < 0.3


def test_large_weights_saturate(found):
    """Small weights saturate nothing, large ones nearly every state."""
    assert found.networks["tanh"][0].saturated < 0.01
    assert found.networks["tanh"][-1].saturated > 0.9


def test_an_open_cell_counts(found):
    """With all gates open and g = 1 the cell state is the number of steps."""
    assert found.open_lstm["c"][-1] == pytest.approx(200, abs=1e-6)


def test_what_leaves_the_range_of_numbers_is_no_small_state():
    """Doubled 2,000 times a linear state is infinite, less itself no number, and counts as beyond every bound."""
    assert drive("identity", 2.0, 2_000).largest > 1e300
