"""The loss of a language model."""

import math

import pytest
import torch

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
