"""Linear prediction of memory: right near rest, wrong where an input drives the network."""

import pytest

from carousel.lab import streetlight


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("streetlight").numbers


@pytest.mark.parametrize("name", streetlight.ACTIVATIONS)
def test_near_rest_the_prediction_holds(numbers, name):
    """Contracting networks forget by the largest eigenvalue of their linearisation, most of them to 5 % a step."""
    assert numbers[f"{name} near right below 1"] > 0.5


def test_an_input_breaks_the_prediction(numbers):
    """Strong inputs make tanh networks forget far faster than predicted, and tame the chaotic ones."""
    assert numbers["tanh right below 1, input 3"] < 0.2
    assert numbers["tanh mean factor at 1.5, input 3"] < 0.8
    assert numbers["tanh mean factor at 1.5, input 0"] > 0.9


def test_one_network_is_predicted_closely():
    """The factor of a contracting network of known eigenvalue is measured to two per cent."""
    net = streetlight.network("tanh", 0.9, 3)
    measured = streetlight.factor(net)
    assert measured == pytest.approx(net.predicted, rel=0.02)
