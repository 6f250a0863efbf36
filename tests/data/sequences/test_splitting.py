"""Train, valid and test: nothing is in two of them, and what is held out is what it should be."""

import numpy as np
import pytest

from carousel import CarouselError
from carousel.data.sequences import Span, from_arrays, split_by_sequence, split_by_time


def labelled(counts):
    labels = [label for label, count in counts.items() for _ in range(count)]
    return from_arrays("classify", [[0.0]] * len(labels), labels), labels


def test_whole_sequences_are_held_out_with_the_shares_of_their_labels():
    """Each sequence is in one part; a rare label is in the parts as in the whole."""
    data, labels = labelled({"a": 80, "b": 20})
    parts = split_by_sequence(data, 0.2, 0.2, seed=1)
    numbers = [[span.sequence for span in part] for part in (parts.train, parts.valid, parts.test)]
    assert sorted(k for part in numbers for k in part) == list(range(100))
    assert [len(part) for part in numbers] == [60, 20, 20]
    assert [sum(labels[k] == "b" for k in part) for part in numbers] == [12, 4, 4]
    assert split_by_sequence(data, 0.2, 0.2, seed=1) == parts
    assert split_by_sequence(data, 0.2, 0.2, seed=2) != parts


def test_the_end_of_each_series_is_held_out():
    """Train before valid before test, of every series, without a gap."""
    data = from_arrays("forecast", [np.zeros(20), np.zeros(10)])
    parts = split_by_time(data, 0.2, 0.1)
    assert parts.train == [Span(0, 0, 14), Span(1, 0, 7)]
    assert parts.valid == [Span(0, 14, 18), Span(1, 7, 9)]
    assert parts.test == [Span(0, 18, 20), Span(1, 9, 10)]


def test_too_little_data_is_told():
    """A part to learn from must stay."""
    with pytest.raises(CarouselError, match=r"at least one of the sequences; .* has 2: 1 for valid"):
        split_by_sequence(labelled({"a": 2})[0], 0.1, 0.1, seed=1)
    with pytest.raises(CarouselError, match="the steps; the sequence '0' of the data has 2"):
        split_by_time(from_arrays("forecast", [1.0, 2.0]), 0.1, 0.1)
