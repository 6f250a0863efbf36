"""The divergence of distributions."""

import torch
from torch.nn import functional as F

from carousel.losses import cross_entropy, kl_divergence


def test_agrees_with_torch():
    """torch's kl_div on log-probabilities gives the same."""
    logits, targets = torch.randn(4, 3, 5), torch.randn(4, 3, 5).softmax(-1)
    expected = F.kl_div(logits.log_softmax(-1), targets, reduction="none").sum(-1)
    torch.testing.assert_close(kl_divergence(logits, targets, reduction="none"), expected)


def test_is_zero_where_the_network_is_right():
    """The divergence of a distribution from itself is 0, and that of any other above it."""
    targets = torch.randn(4, 3, 5, dtype=torch.float64).softmax(-1)
    right = kl_divergence(targets, targets, probabilities=True, reduction="none")
    assert right.abs().max() < 1e-12
    assert kl_divergence(targets.roll(1, 0), targets, probabilities=True, reduction="none").min() > 0


def test_differs_from_the_cross_entropy_by_the_entropy_of_the_target():
    """Same gradient, another value: what no network could do better than is subtracted."""
    logits, targets = torch.randn(2, 4, 3, 5, dtype=torch.float64).unbind()
    targets = targets.softmax(-1)
    entropy = -(targets * targets.log()).sum()
    difference = cross_entropy(logits, targets, reduction="sum") - kl_divergence(
        logits, targets, reduction="sum"
    )
    torch.testing.assert_close(difference, entropy)
