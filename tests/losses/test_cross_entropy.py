"""The loss of a language model."""

import math

import pytest
import torch
from torch.nn import functional as F

from carousel import CarouselError
from carousel.losses import cross_entropy


def test_is_minus_the_logarithm_of_the_probability_of_the_target():
    """The loss of each step is -log softmax(logits)[target], and the mean is taken over all of them."""
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 3, 5, dtype=torch.float64), torch.randint(5, (4, 3))
    expected = torch.tensor(
        [
            [-math.log(math.exp(logits[t, b, targets[t, b]]) / logits[t, b].exp().sum()) for b in range(3)]
            for t in range(4)
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(cross_entropy(logits, targets, reduction="none"), expected)
    torch.testing.assert_close(cross_entropy(logits, targets), expected.mean())
    torch.testing.assert_close(cross_entropy(logits, targets, reduction="sum"), expected.sum())


def test_padding_is_not_counted():
    """A target of -100 adds nothing to the sum and nothing to what the mean is taken over."""
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 2, 5), torch.randint(5, (4, 2))
    padded = targets.clone()
    padded[2:, 1] = -100
    each = cross_entropy(logits, padded, reduction="none")
    assert each[2:, 1].tolist() == [0, 0]
    kept = torch.cat([cross_entropy(logits, targets, reduction="none")[:, 0], each[:2, 1]])
    torch.testing.assert_close(cross_entropy(logits, padded), kept.mean())


def test_shapes_that_do_not_belong_together_are_named():
    """Logits (T, B, V) with targets of another T are refused with both shapes."""
    with pytest.raises(CarouselError, match=r"\(4, 2, 5\).*\(3, 2\)"):
        cross_entropy(torch.zeros(4, 2, 5), torch.zeros(3, 2, dtype=torch.int64))


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_padding_is_never_read(poison):
    """NaN in the logits of a step whose target is -100 reaches neither the loss nor any gradient."""
    targets = torch.tensor([[1], [-100], [2]])
    logits = torch.randn(3, 1, 5)
    clean = logits.clone().requires_grad_()
    cross_entropy(clean[[0, 2]], targets[[0, 2]]).backward()
    logits[1] = poison
    logits.requires_grad_()
    cross_entropy(logits, targets).backward()
    torch.testing.assert_close(logits.grad, clean.grad)


def test_impossible_symbols_that_cannot_come():
    """A logit of minus infinity, or a probability of 0, where the target distribution is 0 costs nothing."""
    target = torch.tensor([[0.25, 0.75, 0.0]])
    logits = torch.tensor([[0.3, -0.2, -math.inf]], requires_grad=True)
    loss = cross_entropy(logits, target)
    expected = F.cross_entropy(logits.detach()[:, :2], target[:, :2])
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    assert logits.grad.isfinite().all()
    y = torch.tensor([[0.5, 0.5, 0.0]], requires_grad=True)
    loss = cross_entropy(y, target, probabilities=True)
    loss.backward()
    torch.testing.assert_close(loss.item(), math.log(2))
    assert y.grad.tolist() == [[-0.5, -1.5, 0.0]]


def test_a_target_that_is_no_symbol_is_named():
    """A target of V or more, or below 0 and not -100, is refused with the range."""
    for wrong in (5, -1):
        with pytest.raises(CarouselError, match=f"from 0 to 4.*{wrong}"):
            cross_entropy(torch.zeros(2, 1, 5), torch.tensor([[wrong], [-100]]))


def test_agrees_with_torch():
    """torch.nn.functional gives the same for indices, distributions and probabilities."""
    logits, targets = torch.randn(4, 3, 5), torch.randint(5, (4, 3))
    shares = torch.rand(4, 3, 5).softmax(-1)
    flat = logits.reshape(12, 5)
    torch.testing.assert_close(cross_entropy(logits, targets), F.cross_entropy(flat, targets.reshape(12)))
    torch.testing.assert_close(cross_entropy(logits, shares), F.cross_entropy(flat, shares.reshape(12, 5)))
    torch.testing.assert_close(
        cross_entropy(logits.softmax(-1), targets, probabilities=True),
        F.cross_entropy(flat, targets.reshape(12)),
    )
