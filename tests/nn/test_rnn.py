"""RNN beside ONNX Runtime, for the nonlinearities that torch does not have too."""

import pytest
import torch
from onnx_witness import run_onnx
from tolerances import assert_close

import carousel
from carousel import CarouselError

ACTIVATIONS = {
    "tanh": {"activations": ["Tanh"]},
    "relu": {"activations": ["Relu"]},
    "sigmoid": {"activations": ["Sigmoid"]},
    "elu": {"activations": ["Elu"], "activation_alpha": [1.0]},
    "identity": {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]},
}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("nonlinearity", ACTIVATIONS)
def test_onnx(nonlinearity, bidirectional):
    """ONNX Runtime's RNN gives the same outputs and final states for each nonlinearity."""
    module = carousel.RNN(3, 5, nonlinearity=nonlinearity, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    x, h = torch.randn(7, 2, 3), torch.randn(directions, 2, 5)
    attributes = {name: value * directions for name, value in ACTIVATIONS[nonlinearity].items()}
    output, final = run_onnx("RNN", module, x, [h], gates="h", order="h", **attributes)
    assert_close(module(x, h), (output, final))


def test_unknown_nonlinearity():
    """A nonlinearity that does not exist is refused, with those that do."""
    with pytest.raises(CarouselError, match=r"nonlinearity must be one of 'tanh', .*; it is 'softsign'"):
        carousel.RNN(3, 5, nonlinearity="softsign")
    with pytest.raises(CarouselError, match="nonlinearity must be"):
        carousel.RNN(3, 5, 1, True)  # torch's order: the fourth is the nonlinearity
