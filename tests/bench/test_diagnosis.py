"""The benchmark of the diagnosis measures what it says."""

from bench.diagnosis.measure import Monitored, Size, time_diagnosis


def test_a_diagnosis_is_timed():
    """A small network takes some time, and is named by what it is."""
    size = Size("GRU", 8, 2, 12)
    assert size.name == "GRU 2 x 8, T 12, B 4"
    assert time_diagnosis(size) > 0


def test_the_share_counts_looks_in_the_whole():
    """One second of looks beside nine of steps is a tenth."""
    assert Monitored(10, 9.0, 2, 1.0).share == 0.1
