"""Truncated backpropagation through time."""

import math

import numpy as np
import pytest
import torch

from carousel.losses import cross_entropy
from carousel.models import LanguageModel
from carousel.training import Diverged, LanguageConfig
from carousel.training.language.evaluation import Part
from carousel.training.language.task import build_loop

IDS = np.concatenate([[0], np.random.default_rng(0).integers(1, 9, 200), [0]])


def build(**options):
    given = {"hidden_size": 6, "batch": 2, "bptt": 10, "steps": 20, "warmup": 0, "threads": 1, **options}
    return build_loop(LanguageConfig(**given), 9, Part(IDS, len(IDS)))


def weights(loop):
    return {name: value.clone() for name, value in loop.model.state_dict().items()}


def test_equal_seeds_build_equal_models():
    """All of the beginning follows from the seed."""
    a, b, c = build(seed=1), build(seed=1), build(seed=2)
    assert all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))
    assert not torch.equal(weights(a)["head.weight"], weights(c)["head.weight"])


def test_the_state_is_carried_and_the_gradient_is_cut():
    """The second window starts in the first one's last state, and its gradient is that of its own loss
    alone.
    """
    loop = build(optimizer="sgd", schedule="constant", lr=1e-9, clip=0, cell="gru")
    witness = LanguageModel(9, cell="gru", hidden_size=6)
    witness.load_state_dict(weights(loop))
    loop.step(0)
    first, second = loop.batches.window(0), loop.batches.window(1)
    _, state = witness(first[0])
    loss = cross_entropy(witness(second[0], state.detach())[0], second[1])
    loss.backward()
    norm = math.sqrt(sum(p.grad.square().sum().item() for p in witness.parameters()))
    nats, length = loop.step(1)
    assert nats == pytest.approx(loss.item(), rel=1e-5)
    assert length == pytest.approx(norm, rel=1e-4)
    assert loop.state.requires_grad is False


def test_an_epoch_begins_with_a_zero_state():
    """Windows of another epoch do not continue the text, so no state is carried over."""
    loop = build(lr=1e-9)
    number = loop.batches.number
    for step in range(number):
        loop.step(step)
    inputs, targets = loop.batches.window(number)
    expected = cross_entropy(loop.model(inputs)[0], targets).item()
    assert loop.step(number)[0] == pytest.approx(expected, rel=1e-5)


def test_long_gradients_are_cut_to_the_clip():
    """With plain gradient descent at rate 1, the step is the gradient, cut to the norm asked for."""
    steps = {}
    for clip in (0, 0.01):
        loop = build(optimizer="sgd", schedule="constant", lr=1, weight_decay=0, clip=clip)
        before = weights(loop)
        _, norm = loop.step(0)
        moved = torch.cat([(before[name] - after).flatten() for name, after in weights(loop).items()])
        steps[clip] = (
            moved.norm().item() / 1.9,
            norm,
        )  # the first step of Nesterov's momentum 0.9 is 1.9 gradients
    assert steps[0][0] == pytest.approx(steps[0][1], rel=1e-3)
    assert steps[0.01][0] == pytest.approx(0.01, rel=1e-3)
    assert steps[0.01][1] == pytest.approx(steps[0][1])  # reported before clipping


def test_a_rate_follows_the_schedule():
    """Each step is taken with the learning rate of its place in the schedule."""
    loop = build(schedule="linear", steps=20, lr=0.5)
    loop.step(5)
    assert {group["lr"] for group in loop.optimizer.param_groups} == {0.5 * 15 / 20}


@pytest.mark.parametrize(("place", "name"), [("head.bias", "loss"), ("recurrent.weight_hh_l0", "loss")])
def test_a_loss_that_is_no_number_stops_before_the_step(place, name):
    """The error names what became of what at which step, and the weights have not moved."""
    loop = build()
    loop.step(0)
    with torch.no_grad():
        dict(loop.model.named_parameters())[place].flatten()[0] = math.nan
    before = weights(loop)
    with pytest.raises(Diverged, match=f"the {name} must be finite; it became nan at step 2"):
        loop.step(1)
    after = weights(loop)
    assert all(torch.equal(before[n].nan_to_num(7), after[n].nan_to_num(7)) for n in before)


def test_an_infinite_gradient_stops_too(monkeypatch):
    """A finite loss with a gradient that is not is no step to take."""
    loop = build()
    before = weights(loop)
    loop.model.head.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(Diverged, match=r"norm of the gradient must be finite; it became (nan|inf) at step 1"):
        loop.step(0)
    assert all(torch.equal(before[name], after) for name, after in weights(loop).items())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_every_optimizer_learns(optimizer):
    """On a text that repeats itself the loss falls far below that of knowing nothing."""
    ids = np.concatenate([[0], np.tile([1, 2, 3, 4], 100), [0]])
    lr = {"adamw": 0.03, "sgd": 0.5, "rmsprop": 0.01}[optimizer]
    loop = build_loop(
        LanguageConfig(hidden_size=8, batch=4, bptt=10, steps=60, lr=lr, optimizer=optimizer, warmup=0),
        5,
        Part(ids, len(ids)),
    )
    first = loop.step(0)[0]
    last = [loop.step(step)[0] for step in range(1, 60)][-1]
    assert first == pytest.approx(math.log(5), abs=0.1)
    assert last < 0.4


def test_only_matrices_decay():
    """Biases and peepholes are left out of weight decay, and every parameter is in one group."""
    loop = build(cell="lstm-diagonal", weight_decay=0.3)
    names = {id(parameter): name for name, parameter in loop.model.named_parameters()}
    decayed, free = (
        {names[id(parameter)] for parameter in group["params"]} for group in loop.optimizer.param_groups
    )
    assert [group["weight_decay"] for group in loop.optimizer.param_groups] == [0.3, 0]
    assert decayed == {"embedding.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "head.weight"}
    assert free == set(names.values()) - decayed


def test_weight_decay_shrinks_matrices_by_the_rate():
    """Where the gradient is 0, a step of AdamW multiplies matrices by 1 - lr * decay and leaves biases."""
    loop = build(cell="gru", weight_decay=0.3, lr=0.1)
    before = weights(loop)
    for parameter in loop.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    loop.optimizer.step()
    for name, after in weights(loop).items():
        torch.testing.assert_close(after, before[name] * (1 if "bias" in name else 0.97))


def test_the_rate_that_is_not_given_is_that_of_the_cell():
    """A GRU's is half of the others'; what is given goes before it."""
    for cell, rate in (("lstm", 8e-3), ("gru", 4e-3), ("gru-before", 4e-3)):
        assert build(cell=cell, schedule="constant").lr(0) == rate
        assert LanguageConfig().override(cell=cell).rate == rate
    assert build(cell="gru", lr=0.02, schedule="constant").lr(0) == 0.02
    assert LanguageConfig(cell="gru", optimizer="sgd").rate == 8e-3


def test_the_rate_decays_by_epochs():
    """With the schedule decay the rate of an epoch is that of the one before, divided."""
    loop = build(schedule="decay", decay=4.0, decay_after=1, lr=0.5)
    number = loop.batches.number
    assert [loop.lr(step) for step in (0, number - 1, number, 2 * number)] == [0.5, 0.5, 0.125, 0.03125]


def test_plain_gradient_descent_has_no_momentum():
    """With momentum 0 a step is the gradient times the rate, also after a first one."""
    loop = build(optimizer="sgd", schedule="constant", lr=1, weight_decay=0, clip=0, momentum=0.0)
    loop.step(0)
    before = weights(loop)
    _, norm = loop.step(1)
    moved = torch.cat([(before[name] - after).flatten() for name, after in weights(loop).items()])
    assert moved.norm().item() == pytest.approx(norm, rel=1e-3)


@pytest.mark.parametrize("model", ["rnn", "tdnn"])
def test_both_models_learn_by_the_same_loop(model):
    """On a text that repeats itself either knows what comes next."""
    ids = np.concatenate([[0], np.tile([1, 2, 3, 4], 100), [0]])
    given = {"model": model, "hidden_size": 8, "batch": 4, "bptt": 10, "steps": 60, "lr": 0.03, "warmup": 0}
    loop = build_loop(LanguageConfig(**given), 5, Part(ids, len(ids)))
    losses = [loop.step(step)[0] for step in range(60)]
    assert losses[0] == pytest.approx(math.log(5), abs=0.5)
    assert losses[-1] < 0.4


def test_bfloat16_products_learn_too():
    """Weights stay float32; the loss is near that of float32 products, and not the same."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        loop = build(precision=precision, lr=0.01)
        losses[precision] = [loop.step(step)[0] for step in range(6)]
        assert all(parameter.dtype == torch.float32 for parameter in loop.model.parameters())
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]
