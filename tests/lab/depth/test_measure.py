"""Gradients through 19 layers: what vanishes, what a start changes, and that the numbers are gradients."""

import pytest
import torch

from carousel.lab.depth import measure as depth


@pytest.fixture(scope="module")
def found(measured):
    return measured("depth")


def test_sigmoid_vanishes_with_every_start(found):
    """Within ten layers less than a thousandth is left: its slope is at most a quarter."""
    for start in depth.INITIALISATIONS:
        assert max(found.before["sigmoid", start].reaches) <= 10


def test_torch_default_is_too_small(found):
    """Variance 1/(3n) takes a factor of about √3 a layer from ELU and tanh: 3^(-18/2) is 5e-5."""
    for name in ("ELU", "tanh"):
        shares = found.before[name, depth.DEFAULT].first
        assert len(shares) % 2 == 1
        assert all(1e-6 < share < 1e-3 for share in shares)


def test_a_start_that_fits_lets_it_through(found):
    """ReLU with 2/n and tanh with orthogonal weights keep more than a hundredth through all layers."""
    assert min(found.before["ReLU", "variance 2/n (He)"].first) > 1e-2
    assert min(found.before["tanh", "orthogonal"].first) > 1e-2


def test_the_gradient_of_an_output_is_its_slope():
    """A small step along one neuron's output, made through its layer's bias after tanh, changes the loss as told."""
    inputs, labels = depth.digits()
    model = depth.network("ELU", "orthogonal", 8).double()
    inputs, labels = inputs[:4].double(), labels[:4]
    told = depth._output_gradients(model, inputs, labels)[-1]
    last = model[-1]
    with torch.no_grad():
        hidden = model[:-1](inputs)
        bumped = hidden.clone()
        bumped[2, 3] += 1e-6
        losses = [torch.nn.functional.cross_entropy(last(h), labels) for h in (hidden, bumped)]
    assert float(losses[1] - losses[0]) / 1e-6 == pytest.approx(float(told[2, 3]), rel=1e-4)


def test_the_start_does_not_depend_on_the_activation():
    """Swapping the activation of a net is the net that this activation would have started as."""
    swapped = depth.with_activation(depth.network("ELU", "orthogonal", 8), "tanh")
    whole = depth.network("tanh", "orthogonal", 8)
    inputs = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(swapped(inputs), whole(inputs), rtol=0, atol=0)
