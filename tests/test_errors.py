"""What came is shown in an error, and shown in short."""

import doctest
from pathlib import Path

import pytest

from carousel import errors
from carousel.errors import shown


def test_the_example_runs():
    """The example of `shown` gives what it says."""
    results = doctest.testmod(errors)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        b"x" * 10**6,
        ["x" * 10**6] * 10**4,
        {"a": ["b" * 10**6]},
        10**5000,
        -(10**4000),
        Path("x" * 10**5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_value_is_shown_in_short(value):
    """However large a value is, and of whatever type, it takes a line and a half at most."""
    assert 5 < len(shown(value)) < 120


@pytest.mark.parametrize("value", ["it's", b"a", 7, 1.5, None, [1, "a"], {"a": 1}, (), float("nan")])
def test_a_small_value_is_shown_as_python_writes_it(value):
    """A short value is its `repr`; a path has no quotes."""
    assert shown(value) == repr(value)
    assert shown(Path("a/b")) == str(Path("a/b"))
