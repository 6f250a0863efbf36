"""Scaling, gaps and symbols: measured on the train part, the same for all others."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from carousel import CarouselError
from carousel.data.sequences import Encoding, Example, Sequences, Span, filled
from carousel.plain import typed

NONE = math.nan


def sequences(*numbers, symbols=None, targets=0):
    items = [
        Example(
            np.array(rows, dtype=float),
            np.array(symbols[k] if symbols else np.empty((len(rows), 0)), dtype=object),
        )
        for k, rows in enumerate(numbers)
    ]
    names = tuple("abc"[: items[0].numbers.shape[1]])
    return Sequences(items, names, ("s",) if symbols else (), targets)


def test_numbers_are_scaled_by_the_train_part_alone():
    """Steps outside the spans, however large, change nothing."""
    data = sequences([[1], [3], [1e9]], [[1e9]])
    encoding = Encoding.fit(data, [Span(0, 0, 2)])
    assert (encoding.numbers[0].mean, encoding.numbers[0].deviation) == (2, 1)
    assert encoding.encode(data.items[0])[:2].tolist() == [[-1], [1]]


def test_gaps_are_filled_and_marked():
    """The last value before, the mean where there is none; a column without gaps in train gets no mark."""
    data = sequences([[NONE, 0], [1, 2], [NONE, 4], [3, 6]], [[1, NONE]])
    encoding = Encoding.fit(data, [Span(0, 0, 4)])
    assert encoding.width == 3
    encoded = encoding.encode(data.items[0])
    assert encoded[:, 0].tolist() == [0, -1, -1, 1]
    assert encoded[:, 2].tolist() == [1, 0, 1, 0]
    assert encoding.encode(data.items[1])[0, 1] == 0


def test_a_constant_column_does_not_divide_by_zero():
    """It becomes 0."""
    data = sequences([[5], [5]])
    assert Encoding.fit(data, [Span(0, 0, 2)]).encode(data.items[0]).tolist() == [[0], [0]]


def test_symbols_are_one_hot_and_unknown_ones_known_as_such():
    """The first place is for what the train part has not."""
    data = sequences([[0], [0]], [[0]], symbols=[[["x"], ["y"]], [["z"]]])
    encoding = Encoding.fit(data, [Span(0, 0, 2)])
    assert encoding.encode(data.items[0])[:, 1:].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert encoding.encode(data.items[1])[:, 1:].tolist() == [[1, 0, 0]]


def test_back_is_the_inverse_of_scale():
    """With logarithms and without."""
    data = sequences([[1.0, 2], [10, 4], [100, 6]], targets=1)
    for log in (False, True):
        encoding = Encoding.fit(data, [Span(0, 0, 3)], log=log)
        assert [each.log for each in encoding.numbers] == [log, False]
        for k, each in enumerate(encoding.numbers):
            values = data.items[0].numbers[:, k]
            np.testing.assert_allclose(each.back(each.scale(values)), values)


def test_an_encoding_survives_its_file():
    """As plain values, for JSON."""
    data = sequences([[0], [NONE]], symbols=[[["x"], ["y"]]])
    encoding = Encoding.fit(data, [Span(0, 0, 2)])
    assert typed(Encoding, json.loads(json.dumps(asdict(encoding))), "encoding") == encoding


def test_filled_takes_the_last_value():
    """Column by column."""
    assert filled(np.array([[NONE, 1], [2, NONE], [NONE, NONE]])).tolist() == [[0, 1], [2, 1], [2, 1]]


def test_mistakes_are_told():
    """A column of nothing, logarithms of 0, too many symbols, other columns."""
    with pytest.raises(CarouselError, match="'a' of the data must have a value in the train part"):
        Encoding.fit(sequences([[NONE], [1]]), [Span(0, 0, 1)])
    with pytest.raises(CarouselError, match="log needs values above 0; the least of the column 'a' is 0"):
        Encoding.fit(sequences([[0], [1]], targets=1), [Span(0, 0, 2)], log=True)
    many = sequences([[0]] * 1001, symbols=[[[str(k)] for k in range(1001)]])
    with pytest.raises(CarouselError, match="at most 1,000 values; 's' has 1,001"):
        Encoding.fit(many, [Span(0, 0, 1001)])
    with pytest.raises(
        CarouselError, match=r"must have 1 columns of numbers and 0 of symbols; .* has 2 and 0"
    ):
        Encoding.fit(sequences([[0], [1]]), [Span(0, 0, 2)]).encode(sequences([[0, 1]]).items[0])
