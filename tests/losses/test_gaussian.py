"""The normal density as a loss: beside torch's own, with w_t and masks."""

import pytest
import torch

from carousel import CarouselError
from carousel.losses import gaussian


def drawn():
    means, logs, targets = (torch.randn(5, 3, 2, dtype=torch.float64) for _ in range(3))
    return means.requires_grad_(), logs.requires_grad_(), targets


def test_it_is_minus_the_log_density():
    """At every step, summed over its values, as torch.distributions says."""
    means, logs, targets = drawn()
    expected = -torch.distributions.Normal(means, logs.exp()).log_prob(targets).sum(-1)
    torch.testing.assert_close(gaussian(means, logs, targets, reduction="none"), expected)
    torch.testing.assert_close(gaussian(means, logs, targets), expected.mean())


def test_the_gradient_of_a_step_is_weighed_by_w():
    """w_t times the gradient of its own divergence, and zero where the mask is, whatever stands there."""
    means, logs, targets = drawn()
    weights = torch.rand(5, 3, dtype=torch.float64)
    mask = torch.rand(5, 3) < 0.5
    gaussian(means, logs, targets, reduction="sum").backward()
    plain = [each.grad.clone() for each in (means, logs)]
    means.grad = logs.grad = None
    gaussian(
        means,
        logs,
        targets.masked_fill(~mask[..., None], torch.nan),
        weights=weights,
        mask=mask,
        reduction="sum",
    ).backward()
    for each, own in zip((means, logs), plain, strict=True):
        torch.testing.assert_close(each.grad, own * (weights * mask)[..., None])


def test_shapes_must_agree():
    """A deviation for each mean, a target for each."""
    with pytest.raises(CarouselError, match="targets must have the shape of the outputs"):
        gaussian(torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(3, 2))
