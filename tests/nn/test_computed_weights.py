"""Weights that torch.nn.utils computes before each call are those of now, also where there is no call."""

import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.nn.utils import prune

import carousel

COMPUTED = {
    "prune": lambda module: prune.random_unstructured(module, "weight_hh_l0", 0.5),
    "weight_norm's hook": lambda module: nn.utils.weight_norm(module, "weight_hh_l0"),
    "weight_norm": lambda module: nn.utils.parametrizations.weight_norm(module, "weight_hh_l0"),
    "spectral_norm's hook": lambda module: nn.utils.spectral_norm(module, "weight_hh_l0"),
    "spectral_norm": lambda module: nn.utils.parametrizations.spectral_norm(module, "weight_hh_l0"),
}


@pytest.fixture(params=COMPUTED.values(), ids=COMPUTED)
def module(request: pytest.FixtureRequest) -> nn.Module:
    """A module that was called, and whose parameters an update has changed since."""
    module = carousel.GRU(3, 5)
    request.param(module)
    module(torch.ones(4, 3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3).add_(0.1)
    return module


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_computed_weights(module):
    """A stepper, a frozen network and a trace use what a call would use."""
    x = torch.randn(4, 3)
    stepper = module.stepper()
    steps = torch.stack([stepper.step(each).clone() for each in x])
    frozen = module.frozen()(x)[0]
    [trace] = module.eval().trace(x)
    for found in (steps, frozen, trace.values["h"].detach()):
        assert_close(found, module(x)[0].detach())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_gradients_of_a_trace(module):
    """They reach the parameters that the weights are computed from."""
    x, parameters = torch.randn(4, 3), list(module.eval().parameters())
    found = torch.autograd.grad(module.trace(x)[0].values["h"].sum(), parameters)
    for one, other in zip(found, torch.autograd.grad(module(x)[0].sum(), parameters), strict=True):
        assert_close(one, other)
