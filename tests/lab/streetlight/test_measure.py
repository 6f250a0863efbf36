"""Linear prediction of memory: right near rest, wrong where an input drives the network."""

import math

import pytest
import torch

from carousel.lab.networks import rnn
from carousel.lab.streetlight import measure as streetlight


@pytest.fixture(scope="module")
def found(measured):
    return measured("streetlight")


@pytest.mark.parametrize("name", streetlight.ACTIVATIONS)
def test_near_rest_the_prediction_holds(found, name):
    """Contracting networks forget by the largest eigenvalue of their linearisation, most of them to 5 % a step."""
    assert found.right(name, streetlight.NEAR_REST) > 0.5


def test_an_input_breaks_the_prediction(found):
    """Strong inputs make tanh networks forget far faster than predicted, and tame the chaotic ones."""
    loud = streetlight.driven_by(3.0)
    assert found.right("tanh", loud) < 0.2
    assert found.mean_tanh(1.5, loud)[1] < 0.8
    assert found.mean_tanh(1.5, streetlight.NEAR_REST)[1] > 0.9


def test_an_unstable_rest_predicts_growth_that_does_not_last(found):
    """At a radius of 1.5 tanh networks should grow by a tenth a step at least; they end near 1, since h is bounded."""
    predicted, measured = found.mean_tanh(1.5, streetlight.NEAR_REST)
    assert predicted > 1.1
    assert measured < 1.05


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


def test_memory_is_told_in_steps(found):
    """Steps until 1 % is left: as predicted near rest, far fewer while an input drives a tanh network."""
    assert streetlight.memory(0.5) == pytest.approx(math.log2(100))
    predicted, measured = found.memories("tanh", streetlight.NEAR_REST)
    assert sum(measured) == pytest.approx(sum(predicted), rel=0.3)
    _, driven = found.memories("tanh", streetlight.driven_by(3.0))
    assert sum(driven) / len(driven) < 0.5 * sum(measured) / len(measured)
