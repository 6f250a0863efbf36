"""Mistakes with weights, lengths, masks and reductions are told."""

import pytest
import torch

from carousel import CarouselError
from carousel.losses import bernoulli, cross_entropy, kl_divergence, linear_cross_entropy, squared_error

OUTPUTS, INDICES = torch.zeros(5, 3, 4), torch.zeros(5, 3, dtype=torch.int64)

MISTAKES = {
    "a reduction that is none": ({"reduction": "average"}, "mean, sum, sequence, none.*'average'"),
    "weights of other steps": ({"weights": torch.ones(3)}, r"weights.*\(5,\).*\(5, 3\).*\(3,\)"),
    "a mask of numbers": ({"mask": torch.ones(5, 3)}, "mask must be bool.*float32.*weights"),
    "a mask of other steps": ({"mask": torch.ones(4, 3, dtype=torch.bool)}, r"mask.*\(5, 3\).*\(4, 3\)"),
    "lengths of other sequences": ({"lengths": [5, 5]}, r"each of the 3 sequences.*\(2,\)"),
    "lengths that are no counts": ({"lengths": torch.ones(3)}, "whole number.*float32"),
    "lengths beyond the end": ({"lengths": [5, 6, 1]}, r"from 0 to the 5 steps.*\[5, 6, 1\]"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_about_steps(mistake):
    """What does not fit the steps is refused by its name, with what it should be and what it is."""
    options, message = MISTAKES[mistake]
    with pytest.raises(CarouselError, match=message):
        cross_entropy(OUTPUTS, INDICES, **options)


def test_one_sequence_has_neither_lengths_nor_a_batch():
    """lengths and batch_first with a single sequence say what to do instead."""
    with pytest.raises(CarouselError, match=r"lengths.*\(5,\).*Cut"):
        squared_error(OUTPUTS[:, 0], OUTPUTS[:, 0], lengths=[3])
    with pytest.raises(CarouselError, match=r"batch_first.*\(5,\)"):
        squared_error(OUTPUTS[:, 0], OUTPUTS[:, 0], batch_first=True)


@pytest.mark.parametrize("loss", [squared_error, bernoulli, kl_divergence])
def test_a_target_for_each_value(loss):
    """Outputs and targets of different shapes are named, never broadcast."""
    with pytest.raises(CarouselError, match=r"\(5, 3, 4\).*\(5, 3, 1\)"):
        loss(OUTPUTS, torch.zeros(5, 3, 1))


@pytest.mark.parametrize("loss", [bernoulli, kl_divergence, cross_entropy])
def test_probabilities_are_from_0_to_1(loss):
    """Logits handed over as probabilities are refused with their range, not turned into NaN."""
    with pytest.raises(CarouselError, match=r"outputs must be probabilities.*-2.*Leave probabilities out"):
        loss(OUTPUTS - 2, torch.full((5, 3, 4), 0.25), probabilities=True)
    with pytest.raises(CarouselError, match=r"targets must be probabilities.*from 3 to 3"):
        loss(OUTPUTS, OUTPUTS + 3)


@pytest.mark.parametrize("loss", [kl_divergence, cross_entropy])
def test_probabilities_sum_to_1(loss):
    """Outputs and targets that do not are refused with their sum; where a step does not count, anything may stand."""
    even, low = torch.full((5, 3, 4), 0.25), torch.full((5, 3, 4), 0.2)
    with pytest.raises(
        CarouselError, match=r"outputs must be probabilities that sum to 1.*0\.8\..*divide by their sum"
    ):
        loss(low, even, probabilities=True)
    with pytest.raises(
        CarouselError, match=r"outputs must be probabilities that sum to 1.*Leave probabilities out"
    ):
        loss(low, INDICES, probabilities=True)
    with pytest.raises(
        CarouselError, match=r"targets must be probabilities that sum to 1.*0\.8\..*bernoulli"
    ):
        loss(OUTPUTS, low)
    mixed = torch.cat([even[:4], low[:1]])
    assert loss(mixed, mixed, probabilities=True, lengths=[4, 4, 4]).isfinite()
    assert loss(mixed, INDICES.index_fill(0, torch.tensor(4), -100), probabilities=True).isfinite()
    assert loss(even * float("nan"), even, probabilities=True).isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounded_probabilities_pass(dtype):
    """Those of a softmax over many symbols in low precision are no mistake."""
    y = (3 * torch.randn(7, 33_278)).softmax(-1).to(dtype)
    assert cross_entropy(y, torch.zeros(7, dtype=torch.int64), probabilities=True) > 0
    assert kl_divergence(torch.randn(7, 33_278), y) > 0


def test_weights_may_be_of_either_sign():
    """An advantage of a policy gradient is a weight below 0: its step's gradient turns around, in every loss."""
    x, head = torch.randn(5, 3, 2), torch.randn(4, 2)
    losses = {
        "bernoulli": lambda y, **options: bernoulli(y, OUTPUTS.sigmoid().detach(), **options),
        "squared_error": lambda y, **options: squared_error(y, OUTPUTS.detach() + 1, **options),
        "cross_entropy": lambda y, **options: cross_entropy(y, INDICES, **options),
        "linear_cross_entropy": lambda y, **options: linear_cross_entropy(y, head, INDICES, **options),
    }
    weights = torch.tensor([1.0, 2.0, 0.0, 1.0, -0.5])
    for name, loss in losses.items():
        y = (x if name == "linear_cross_entropy" else torch.randn_like(OUTPUTS)).requires_grad_()
        [signed] = torch.autograd.grad(loss(y, weights=weights, reduction="sum"), y)
        [plain] = torch.autograd.grad(loss(y, reduction="sum"), y)
        torch.testing.assert_close(signed, plain * weights[:, None, None])


def test_torch_func_carries_weights_and_distributions():
    """vmap over weights and outputs, and the gradient of a gradient transform, are those of plain calls."""
    weights, outputs = torch.rand(6, 5), torch.randn(6, 5, 4)
    each = torch.func.vmap(lambda y, w: cross_entropy(y, INDICES[:, 0], weights=w))(outputs, weights)
    plain = [cross_entropy(y, INDICES[:, 0], weights=w) for y, w in zip(outputs, weights, strict=True)]
    torch.testing.assert_close(each, torch.stack(plain))
    share = torch.full((5, 4), 0.25)
    found = torch.func.grad(lambda y: cross_entropy(y, share, weights=weights[0]))(outputs[0])
    own = outputs[0].clone().requires_grad_()
    cross_entropy(own, share, weights=weights[0]).backward()
    torch.testing.assert_close(found, own.grad)
