"""Turns, medians and verdicts."""

from collections.abc import Callable
from itertools import groupby

import pytest

from bench.measure import Ratio, interleave, ratio


def test_turns():
    """After the warm-up the contenders take turns, A B A B A B, and each has one time per round."""
    log: list[str] = []

    def contender(name: str) -> Callable[[], None]:
        return lambda: log.append(name)

    seconds = interleave({"A": contender("A"), "B": contender("B")}, rounds=3, turn=1e-4, pause=0)
    assert [name for name, _ in groupby(log)] == ["A", "B"] * 4
    assert {name: len(times) for name, times in seconds.items()} == {"A": 3, "B": 3}
    assert min(seconds["A"] + seconds["B"]) > 0


def test_ratio_of_medians():
    """The ratio is that of the medians, its spread the quartiles of the ratios of the same round."""
    assert ratio([1, 1, 1, 1, 100], [2, 2, 4, 2, 100]) == Ratio(2, 2, 2)
    assert ratio([1, 2, 4], [3, 2, 2]) == Ratio(1, 0.75, 2)
    assert ratio([2], [1]) == Ratio(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Ratio(1.2, 1.1, 1.3), "faster"),
        (Ratio(1.2, 0.9, 1.3), "even"),
        (Ratio(0.8, 0.7, 0.9), "slower"),
        (Ratio(0.8, 0.7, 1.1), "even"),
        (Ratio(0.8, 1.1, 1.3), "even"),
    ],
)
def test_verdict(found, verdict):
    """Faster or slower needs the medians and the quartiles to agree."""
    assert found.verdict == verdict
