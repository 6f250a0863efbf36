"""Linear prediction of memory: right near rest, wrong where an input drives the network."""

import math

import pytest
import torch

from carousel.lab.networks import rnn
from carousel.lab.streetlight import measure as streetlight


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


def test_an_unstable_rest_predicts_growth_that_does_not_last(numbers):
    """At a radius of 1.5 tanh networks should grow by a tenth a step at least; they end near 1, since h is bounded."""
    assert numbers["tanh mean prediction at 1.5"] > 1.1
    assert numbers["tanh mean factor at 1.5, input 0"] < 1.05


def test_a_relu_network_that_blows_up_rests_nowhere():
    """With weights of a spectral radius of 4 no start leads to a fixed point."""
    assert streetlight.network("relu", 4.0, 0) is None


def test_large_states_do_not_hide_a_small_distance():
    """A relu net that grows by half a step takes a distance with it, also where rounding is larger than 1e-6."""
    layer = rnn("relu", 1.5 * torch.eye(streetlight.HIDDEN).double(), bias=torch.zeros(streetlight.HIDDEN))
    net = streetlight.Network("relu", 1.5, layer, torch.ones(streetlight.HIDDEN).double(), 1.5)
    assert streetlight.factors(net) == [pytest.approx(1.5, rel=1e-6)]


def test_one_network_is_predicted_closely():
    """The factor of a contracting network of known eigenvalue is measured to two per cent."""
    net = streetlight.network("tanh", 0.9, 3)
    assert net is not None
    [measured] = streetlight.factors(net)
    assert measured == pytest.approx(net.predicted, rel=0.02)


def test_memory_is_told_in_steps(numbers):
    """Steps until 1 % is left: as predicted near rest, far fewer while an input drives a tanh network."""
    assert streetlight.memory(0.5) == pytest.approx(math.log2(100))
    predicted, measured = (
        numbers[f"tanh memory in steps, {how}, near rest"] for how in ("predicted", "measured")
    )
    assert sum(measured) == pytest.approx(sum(predicted), rel=0.3)
    driven = numbers["tanh memory in steps, measured, driven, input 3"]
    assert sum(driven) / len(driven) < 0.5 * sum(measured) / len(measured)
