"""What is wrong with an optimizer is the first finding; the same model trained rightly has no warning."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))

from used import SEQUENCES, Net, X

from carousel.diagnosis import judge
from carousel.errors import CarouselError

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


def test_several_optimizers_hold_the_parameters():
    """One of the two alone leaves parameters outside; both together do not."""
    model = Net()
    both = [torch.optim.SGD(model.rnn.parameters(), 1e-2), torch.optim.Adam(model.head.parameters(), 1e-3)]
    assert first(model, both[0]).name == "parameters outside the optimizer"
    assert not first(model, both).is_trouble


@pytest.mark.parametrize("start", [0.0, 1e-7])
def test_a_warm_up_is_judged_by_the_rate_that_it_leads_to(start):
    """At the first steps of a schedule the rate is next to nothing, on purpose."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: start + step / 1000)
    assert optimizer.param_groups[0]["lr"] == start * 1e-3
    assert not first(model, optimizer).is_trouble


@pytest.mark.parametrize(("rate", "name"), [(1.0, "no trouble"), (1e-9, "learning rate too low")])
def test_an_optimizer_that_asks_for_the_loss(rate, name):
    """L-BFGS calls a closure; its rates are tried as others are."""
    model = Net()
    assert first(model, torch.optim.LBFGS(model.parameters(), rate)).name == name


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


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradients_that_add_up_uncounted(momentum):
    """SGD does not count its steps; many gradients that point the same way are a sum."""
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum)
    for _ in range(8):
        loss(model(X)).backward()
        optimizer.step()
    assert first(model, optimizer).name == "accumulated gradients"


def test_the_gradient_of_a_small_batch_is_no_sum():
    """It may be many times as large as that of a large one, and points another way."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    random = torch.Generator().manual_seed(0)
    for _ in range(4):
        optimizer.zero_grad()
        (30 * (model(X) * torch.randn(12, 2, generator=random)).mean()).backward()
        optimizer.step()
    assert first(model, optimizer).name != "accumulated gradients"


@pytest.mark.parametrize("wrong", ["adam", torch.optim.Adam, [3]])
def test_what_is_no_optimizer_is_told(wrong):
    """The error says what came."""
    with pytest.raises(CarouselError, match=r"torch\.optim\.Optimizer"):
        first(Net(), wrong)


def test_the_rates_of_groups_are_told_by_the_largest():
    """Of two groups, one of which does not move."""
    model = Net()
    groups = [{"params": model.rnn.parameters(), "lr": 0.0}, {"params": model.head.parameters(), "lr": 1e-9}]
    finding = first(model, torch.optim.Adam(groups))
    assert finding.name == "learning rate too low"
    assert "With the learning rate 1e-09" in finding.sentence
    assert "with 0 they" not in finding.sentence


def test_a_rise_beside_chance_is_none():
    """A batch that is all but learned, on which the next steps overshoot a little, or with clipping not at all."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        loss(model(X)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss(model(X)) < 1e-2
    assert not first(model, optimizer).is_trouble


@pytest.mark.parametrize(
    ("rate", "name"), [(3.0, "learning rate too high"), (1e-12, "learning rate too low")]
)
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
