"""Interpolated n-grams: a distribution, and the right one."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carousel import CarouselError
from carousel.models.ngram import Ngram, interpolated

TEXT = "she sells sea shells on the sea shore; the shells she sells are sea shells for sure. " * 3


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int32) - 32


V = 96  # printable ASCII


class Plain:
    """Modified Kneser-Ney written down from its formulas with dictionaries: slow, and the witness."""

    def __init__(self, ids: list[int], order: int, vocabulary_size: int) -> None:
        self.order, self.vocabulary_size = order, vocabulary_size
        self.tables = []
        for k in range(1, order + 1):
            if k == order:
                table = Counter(tuple(ids[t : t + k]) for t in range(len(ids) - k + 1))
            else:  # distinct (k+1)-grams, by what they end in
                table = Counter(gram[1:] for gram in {tuple(ids[t : t + k + 1]) for t in range(len(ids) - k)})
            self.tables.append((table, self.discounts(table)))

    @staticmethod
    def discounts(table: Counter) -> list[float]:
        n = Counter(table.values())
        found = [0.0, 0.5, 1.0, 1.5]
        for c in (1, 2, 3):
            if n[1] and n[c] and n[c + 1]:
                d = c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[c + 1] / n[c]
                found[c] = d if 0 < d <= c else found[c]
        return found

    def probability(self, context: tuple[int, ...], symbol: int, k: int) -> float:
        if k == 0:
            return 1 / self.vocabulary_size
        lower = self.probability(context, symbol, k - 1)
        if len(context) < k - 1:
            return lower
        table, d = self.tables[k - 1]
        here = context[len(context) - k + 1 :]
        seen = {gram: c for gram, c in table.items() if gram[:-1] == here}
        total = sum(seen.values())
        if not total:
            return lower
        freed = sum(d[min(c, 3)] for c in seen.values())
        count = seen.get((*here, symbol), 0)
        return (count - d[min(count, 3)] + freed * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_are_those_of_the_formulas(order: int) -> None:
    """The sorted arrays and a dictionary version agree on text with known and new contexts."""
    train, test = numbers(TEXT), numbers("the sea; she is sure? shells")
    plain = Plain(train.tolist(), order, V)
    expected = sum(
        -math.log2(plain.probability(tuple(test[:t].tolist()), int(test[t]), order))
        for t in range(1, len(test))
    )
    assert Ngram(order).fit(train, V).bits(test) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=60), st.lists(st.integers(0, 7), max_size=6))
def test_probabilities_sum_to_one_and_none_is_zero(ids: list[int], context: list[int]) -> None:
    """For every text, context and order, symbols that never came included."""
    model = Ngram(5).fit(np.array(ids), vocabulary_size=8)
    for order in range(1, 6):
        distribution = model.distribution(context, order)
        assert distribution.shape == (8,)
        assert distribution.min() > 0
        assert distribution.sum() == pytest.approx(1, abs=1e-12)


def test_bits_are_those_of_the_distributions() -> None:
    """Scoring a stream is asking for each symbol after all that came before it; the first is context only."""
    model, test = Ngram(4).fit(numbers(TEXT), V), numbers("she shore zz")
    for order in (1, 2, 3, 4):
        step_by_step: float = sum(
            -math.log2(model.distribution(test[:t].tolist(), order)[test[t]]) for t in range(1, len(test))
        )
        assert model.bits(test, order) == pytest.approx(step_by_step, rel=1e-12)


def test_one_fit_serves_every_lower_order() -> None:
    """The order of a fit does not show in the figures of a lower one."""
    train, test = numbers(TEXT), numbers("the shells are on the shore")
    together = interpolated(train, test, V)
    assert list(together) == [1, 2, 3, 4, 5]
    for order, bits in together.items():
        assert bits == pytest.approx(Ngram(order).fit(train, V).bits(test) / (len(test) - 1), rel=1e-12)


def test_bits_come_down_to_the_entropy_of_the_source_and_no_further() -> None:
    """Each symbol is the sum of the last two, mod 5, save one in ten, drawn: order 3 is needed to see it."""
    draw = np.random.default_rng(0)
    ids = [1, 2]
    for drawn in draw.random(60_000) < 0.1:
        ids.append(int(draw.integers(5)) if drawn else (ids[-1] + ids[-2]) % 5)
    bits = interpolated(np.array(ids[:50_000]), np.array(ids[50_000:]), 5)
    entropy = -0.92 * math.log2(0.92) - 0.08 * math.log2(0.02)
    assert [bits[1], bits[2]] == pytest.approx([math.log2(5)] * 2, abs=0.01)
    assert [bits[3], bits[4], bits[5]] == pytest.approx([entropy] * 3, abs=0.03)


def test_large_vocabularies_do_not_overflow() -> None:
    """Words by the hundred thousand in five-grams: contexts are numbered, not packed."""
    ids = np.tile(np.array([999_999, 3, 500_000, 77, 123_456]), 20)
    model = Ngram(5).fit(ids, vocabulary_size=1_000_000)
    assert model.distribution([999_999, 3, 500_000, 77])[123_456] > 0.9
    assert model.distribution([77, 123_456]).argmax() == 999_999


@pytest.mark.parametrize("order", [0, -1, 2.0, True])
def test_an_order_is_a_whole_number_from_one(order: int) -> None:
    """Anything else is named."""
    with pytest.raises(CarouselError, match="order"):
        Ngram(order)


def test_misuse_is_refused_with_the_numbers() -> None:
    """Symbols outside the vocabulary, other shapes, too little text, a higher order, and no fit at all."""
    with pytest.raises(CarouselError, match="0 to V - 1 = 4; got numbers from 0 to 5"):
        Ngram(2).fit(np.arange(6), 5)
    with pytest.raises(CarouselError, match="from -1"):
        Ngram(2).fit(np.array([0, -1, 2]), 5)
    with pytest.raises(CarouselError, match="at least 3 integers"):
        Ngram(3).fit(np.array([0, 1]), 5)
    with pytest.raises(CarouselError, match="float64"):
        Ngram(1).fit(np.zeros(9), 5)
    with pytest.raises(CarouselError, match="must be fitted"):
        Ngram(2).bits(np.arange(5))
    with pytest.raises(CarouselError, match=r"order must be from 1 to 2, .*; got 3"):
        Ngram(2).fit(np.arange(6), 6).bits(np.arange(6), order=3)
    with pytest.raises(CarouselError, match="at least one order"):
        interpolated(np.arange(6), np.arange(6), 6, orders=[])
    with pytest.raises(CarouselError, match="at least 2 symbols"):
        interpolated(np.arange(6), np.arange(1), 6)
