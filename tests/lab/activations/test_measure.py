"""Fixed points, multipliers and forgetting of scalar recurrences against theory."""

import math

import pytest

from carousel.lab.activations import measure as activations


@pytest.fixture(scope="module")
def found(measured):
    return measured("activations")


@pytest.mark.parametrize(
    ("weight", "point", "multiplier"),
    [
        (0.9, 0.6401848005, 0.2073134),
        (1.0, 0.6590460684, 0.2247043),
        (1.1, 0.6783458712, 0.2400120),
    ],
)
def test_sigmoid_rests_at_its_fixed_point(found, weight, point, multiplier):
    """The measured end and the point that Newton finds are the ones worked out elsewhere."""
    assert found.scalars["sigmoid", weight].end == pytest.approx(point, abs=1e-9)
    assert found.scalars["sigmoid", weight].fixed_point == pytest.approx(point, abs=1e-9)
    assert found.scalars["sigmoid", weight].multiplier == pytest.approx(multiplier, abs=1e-6)


def test_tanh_splits_above_one(found):
    """At w = 1.1 a positive start rests at 0.50294..., a place that solves h = tanh(1.1 h)."""
    assert found.scalars["tanh", 1.1].end == pytest.approx(0.5029405749, abs=1e-9)
    assert found.scalars["tanh", 1.1].multiplier == pytest.approx(0.8217558559, abs=1e-9)


def test_tanh_at_one_fades_like_a_power(found):
    """After k = 2,000 steps at w = 1 the state is near √(3/(2k)), far above any exponential."""
    assert found.scalars["tanh", 1.0].end == pytest.approx(math.sqrt(3 / 4000), rel=1e-3)


def test_relu_multiplies_by_w(found):
    """A positive start is multiplied by w at each of the 2,000 steps."""
    assert found.scalars["relu", 1.0].end == 1.0
    assert math.log(found.scalars["relu", 1.1].end) == pytest.approx(2000 * math.log(1.1), rel=1e-9)


def test_sigmoid_forgets_first(found):
    """A few steps for sigmoid, at least ten times as many for tanh at w = 1; random networks alike."""
    assert found.scalars["sigmoid", 1.0].memory <= 5
    assert found.scalars["tanh", 1.0].memory >= 10 * found.scalars["sigmoid", 1.0].memory
    assert max(found.memories["sigmoid"]) <= 6


def test_a_sigmoid_with_a_large_weight_latches():
    """Starts on both sides of 1/2 come to rest at points that solve h = sigmoid(8 h - 4), 0.021 and 0.979."""
    low, high = activations.trajectories("sigmoid", 8.0, 200, [0.1, 1.0], bias=-4.0)[-1].tolist()
    assert low + high == pytest.approx(1.0)
    assert low == pytest.approx(1 / (1 + math.exp(4 - 8 * low)), abs=1e-9)
    assert low < 0.03


@pytest.mark.parametrize("weight", [0.9, 1.0, 1.1])
def test_every_activation_has_its_fixed_point(found, weight):
    """tanh rests at 0 up to w = 1 and is multiplied by w there; relu is multiplied by w everywhere above 0."""
    point, multiplier = found.scalars["tanh", weight].fixed_point, found.scalars["tanh", weight].multiplier
    assert point == pytest.approx(math.tanh(weight * point), abs=1e-12)
    assert (point == 0.0) == (weight <= 1)
    assert multiplier == pytest.approx(weight * (1 - point**2), abs=1e-12)
    assert found.scalars["relu", weight].multiplier == weight
    assert found.scalars["relu", weight].fixed_point == (1.0 if weight == 1 else 0.0)
