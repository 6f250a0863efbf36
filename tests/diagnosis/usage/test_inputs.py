"""What is wrong with the data is the first finding; the same data put right have no warning."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from used import STEPS, Net, X

from carousel.diagnosis import diagnose, judge


def padded(lengths):
    """Sequences of different length, filled up with zeros."""
    ends = torch.tensor(lengths)
    return X[:, : len(lengths)] * (torch.arange(STEPS)[:, None, None] < ends[None, :, None])


def outlier():
    x = X.clone()
    x[7, 3, 1] = 500.0
    return x


CASES = {
    "unscaled inputs": 290 + 8 * X,
    "tiny inputs": 1e-4 * X,
    "constant inputs": torch.full_like(X, 0.7),
    "outliers": outlier(),
    "padding read as data": padded([40, 31, 25, 38, 22, 40]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_data_are_the_cause(name):
    """The first finding, with two numbers at most."""
    first = judge(Net(), CASES[name])[0]
    assert first.name == name
    assert first.is_trouble
    assert 1 <= len(first.evidence) <= 2
    assert first.evidence[0].crossed


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_ordinary_data_are_not_told(scale):
    """Standardised data, and those that nearly are."""
    assert not [finding for finding in judge(Net(), scale * X + 0.3) if finding.is_trouble]


def test_symbols_as_one_hot_vectors_are_not_told():
    """Most of their columns are nearly always 0, and one is always."""
    symbols = torch.randint(25, (STEPS, 12), generator=torch.Generator().manual_seed(0))
    model = nn.GRU(26, 16)
    x = torch.nn.functional.one_hot(symbols, 26).float()
    assert not [finding for finding in judge(model, x) if finding.is_trouble and not finding.layers]
    assert not {finding.name for finding in judge(model, x)} & CASES.keys()


def test_padding_that_is_not_read_is_not_told():
    """Packed, or read at the last valid step only."""
    lengths = torch.tensor([40, 31, 25, 38, 22, 40])
    x = padded(lengths.tolist())
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    assert "padding read as data" not in {finding.name for finding in judge(nn.GRU(4, 16), packed)}
    last_valid = Net(read=lambda out: out[lengths - 1, torch.arange(6)])
    assert "padding read as data" not in {finding.name for finding in judge(last_valid, x)}


def test_unscaled_data_are_standardised_in_the_pipeline():
    """The first remedy is about the data; weights are not scaled to fit them."""
    first = judge(Net(), 290 + 8 * X)[0]
    assert first.remedies[0].name == "standardise the data"
    assert "290" in first.sentence or "29" in first.sentence


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_missing_numbers_are_a_finding(value):
    """They come first, and the rest is measured with 0 in their place."""
    batch = X.clone()
    batch[3, 2, 1] = batch[7, 0, 0] = value
    report = diagnose(Net(), batch)
    first = report.findings[0]
    assert (first.name, first.severity, first.evidence[0].value) == ("missing numbers", "critical", 2)
    assert report.layers[0].steps == len(X)
    assert report.loss_words.endswith("with 0 for the missing numbers")
    assert judge(Net(), batch)[0].name == "missing numbers"
