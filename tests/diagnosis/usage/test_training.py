"""What is wrong with an optimizer is the first finding; the same model trained rightly has no warning."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))

from used import SEQUENCES, Net, X

from carousel.diagnosis import judge

TARGETS = torch.randn(SEQUENCES, 2, generator=torch.Generator().manual_seed(3))


def loss(out):
    return F.mse_loss(out, TARGETS)


def trained(clears=True, steps=4, rate=1e-3):
    """A model after a few steps, with or without gradients that are cleared."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(steps):
        if clears:
            optimizer.zero_grad()
        loss(model(X)).backward()
        optimizer.step()
    return model, optimizer


def first(model, optimizer):
    return judge(model, X, loss, optimizer=optimizer)[0]


@pytest.mark.parametrize("rate", [1e-3, 1e-2])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_sound_training_has_no_warning(kind, rate):
    """Ordinary learning rates, before the first step and after some."""
    model = Net()
    assert not first(model, kind(model.parameters(), rate)).is_trouble
    assert not first(*trained(rate=rate)).is_trouble


def test_parameters_outside_the_optimizer():
    """Those of the head were forgotten; the remedy adds them."""
    model = Net()
    optimizer = torch.optim.Adam(model.rnn.parameters(), 1e-3)
    finding = first(model, optimizer)
    assert finding.name == "parameters outside the optimizer"
    assert "head.weight" in finding.sentence
    finding.apply(model)
    assert not first(model, optimizer).is_trouble


def test_parameters_without_a_gradient():
    """A layer that forward does not use is named; frozen, it is no trouble."""
    model = Net()
    model.spare = torch.nn.Linear(3, 3)
    finding = first(model, None)
    assert finding.name == "parameters without a gradient"
    assert "spare.weight" in finding.sentence
    model.spare.requires_grad_(False)
    assert not first(model, None).is_trouble


def test_gradients_that_add_up():
    """Nobody clears them: after 8 steps they are several times those of a batch."""
    assert first(*trained(clears=False, steps=8)).name == "accumulated gradients"
    assert not first(*trained(clears=True, steps=8)).is_trouble


@pytest.mark.parametrize(("rate", "name"), [(3.0, "learning rate too high"), (1e-9, "learning rate too low")])
def test_a_learning_rate_is_tried_and_set(rate, name):
    """The finding compares two rates on copies; its remedy sets the better one, which then has no warning."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), rate)
    before = [p.clone() for p in model.parameters()]
    finding = first(model, optimizer)
    assert finding.name == name
    assert len(finding.evidence) == 2
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert optimizer.param_groups[0]["lr"] == rate
    assert finding.apply(model)
    assert optimizer.param_groups[0]["lr"] != rate
    assert not first(model, optimizer).is_trouble
