"""Values of files against the types of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from carousel.errors import CarouselError
from carousel.plain import arguments_in, described, typed


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    share: float = 0.5
    names: tuple[tuple[str, tuple[int, ...]], ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    on: bool = False


def test_values_become_what_the_fields_say():
    """Lists become tuples, whole numbers floats where one is wanted, dictionaries dataclasses."""
    value = {"inner": {"size": 3}, "share": 1, "names": [["a", [1, 2]]], "about": {"x": [None]}, "text": None}
    assert typed(Outer, value, "it") == Outer(Inner(3), 1.0, (("a", (1, 2)),), {"x": [None]})
    assert isinstance(typed(Outer, value, "it").share, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": None}, "it: inner must be names with values; got None"),
        ({"inner": {"size": True}}, "it: inner.size must be a whole number; got True"),
        ({"inner": {"size": 3.0}}, "it: inner.size must be a whole number; got 3.0"),
        ({"inner": {"size": 2**63}}, "it: inner.size must be a number of 64 bits"),
        ({"inner": {}}, "it: inner: size is missing"),
        ({"inner": {"size": 1, "colour": 2}}, "it: inner: there is no 'colour'. Known are: size"),
        ({"share": float("nan")}, "it: share must be a finite number; got nan"),
        ({"share": 10**400}, "it: share must be a number of 64 bits"),
        ({"names": [["a", ["b"]]]}, r"it: names\[0\]\[1\]\[0\] must be a whole number; got 'b'"),
        ({"names": [["a"]]}, r"it: names\[0\] must be a list of 2"),
        ({"names": "ab"}, "it: names must be a list; got 'ab'"),
        ({"about": {1: 2}}, "it: about must be text; got 1"),
        ({"text": 1}, "it: text must be text; got 1"),
        ({"on": 1}, "it: on must be true or false; got 1"),
    ],
)
def test_values_of_other_types_are_refused(change, message):
    """The place, the rule and what came stand in the error."""
    with pytest.raises(CarouselError, match=message):
        typed(Outer, {"inner": {"size": 3}} | change, "it")


def test_an_error_shows_little_of_what_came():
    """A file of a megabyte does not become a message of a megabyte."""
    with pytest.raises(CarouselError) as caught:
        typed(Inner, {"size": ["x" * 10**6] * 100}, "it")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [{"size": 10**5000}, {10**5000: 1}, 10**5000], ids=["value", "name", "all"])
def test_a_number_of_thousands_of_digits_is_told(value):
    """Python writes no such number; the error says so instead."""
    with pytest.raises(CarouselError, match=r"a number of more than 4,300 digits"):
        typed(Inner, value, "it")


def test_descriptions_may_say_more():
    """Keys that are no fields are left out, those that are get checked."""
    assert described(Inner, {"size": 2, "kind": "checkpoint"}, "it") == Inner(2)
    with pytest.raises(CarouselError, match="size"):
        described(Inner, {"size": "2"}, "it")


def test_arguments_are_held_against_a_signature():
    """As the arguments of a model that a file describes."""

    def call(size: int, share: float = 0.0) -> None: ...

    assert arguments_in(call, {"self": None, "size": 1, "share": 0.5}) == {"size": 1, "share": 0.5}
    with pytest.raises(CarouselError, match="share must be a finite number; got 'a'"):
        arguments_in(call, {"size": 1, "share": "a"})
