"""Mistakes with weights, lengths, masks and reductions are told."""

import pytest
import torch

from carousel import CarouselError
from carousel.losses import bernoulli, cross_entropy, kl_divergence, squared_error

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
