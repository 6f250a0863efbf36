"""The loss of answers that are yes or no."""

import torch
from torch.nn import functional as F

from carousel.losses import bernoulli


def test_agrees_with_torch():
    """torch gives the same on logits and on probabilities, for shares and for bool targets."""
    logits, targets = torch.randn(4, 3, 5), torch.rand(4, 3, 5)
    for target in (targets, targets > 0.5):
        expected = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="sum")
        torch.testing.assert_close(bernoulli(logits, target, reduction="sum"), expected)
        torch.testing.assert_close(
            bernoulli(logits.sigmoid(), target, probabilities=True, reduction="sum"), expected
        )


def test_certainty():
    """Large logits neither overflow nor lose the gradient; a certain right answer costs nothing, with gradient 0."""
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = bernoulli(logits, torch.tensor([[0.0, 0.0]]))
    loss.backward()
    assert loss.item() == 200
    assert logits.grad.tolist() == [[1.0, 0.0]]
    y = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = bernoulli(y, torch.tensor([[1.0, 0.0]]), probabilities=True)
    loss.backward()
    assert loss.item() == 0
    assert y.grad.tolist() == [[-1.0, 1.0]]
