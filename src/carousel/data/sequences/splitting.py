"""Train, valid and test: whole sequences if there are several, else stretches of time, the last ones held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from carousel.data.sequences.examples import Sequences
from carousel.errors import CarouselError


class Span(NamedTuple):
    """The steps from `first` to `stop` of a sequence; the steps before them may be read, but do not count."""

    sequence: int
    first: int
    stop: int


@dataclass(frozen=True)
class Parts:
    """The spans of the three parts."""

    train: list[Span]
    valid: list[Span]
    test: list[Span]


def split_by_sequence(sequences: Sequences, valid: float, test: float, seed: int) -> Parts:
    """Whole sequences, drawn at random; if a sequence has one label, each part has about the same share of each label.

    Raises CarouselError if a part would be empty.
    """
    random = np.random.default_rng(seed)
    kinds: dict[object, list[int]] = {}
    for k, item in enumerate(sequences.items):
        kinds.setdefault(None if isinstance(item.label, list) else item.label, []).append(k)
    # each gets a place from 0 to 1: those of one label lie evenly between those of the others
    places = [
        ((place + 0.5) / len(kind), int(number))
        for kind in kinds.values()
        for place, number in enumerate(random.permutation(kind))
    ]
    numbers = [number for _, number in sorted(places, key=lambda each: each[0])]
    valid_count, test_count, _ = _counts(len(numbers), valid, test, "sequences", sequences.source)
    first = valid_count + test_count
    drawn = (numbers[first:], numbers[:valid_count], numbers[valid_count:first])
    return Parts(*[[Span(k, 0, len(sequences.items[k])) for k in sorted(part)] for part in drawn])


def split_by_time(sequences: Sequences, valid: float, test: float) -> Parts:
    """The last steps of every sequence are the test part, those before them the valid part, all others the train part.

    Raises CarouselError if a sequence is too short for that.
    """
    parts = Parts([], [], [])
    for k, item in enumerate(sequences.items):
        source = f"the sequence {item.name!r} of {sequences.source}" if item.name else sequences.source
        held, tested, rest = _counts(len(item), valid, test, "steps", source)
        parts.train.append(Span(k, 0, rest))
        if held:
            parts.valid.append(Span(k, rest, rest + held))
        if tested:
            parts.test.append(Span(k, rest + held, len(item)))
    return parts


def _counts(number: int, valid: float, test: float, what: str, source: str) -> tuple[int, int, int]:
    """The sizes of the valid, the test and the train part; a share above 0 gives at least one."""
    held, tested = (max(1, math.floor(share * number)) if share else 0 for share in (valid, test))
    if number - held - tested < 1:
        raise CarouselError(
            f"the train part needs at least one of the {what}; {source} has {number}: {held} for valid, {tested} for "
            "test. Give more data, or smaller shares."
        )
    return held, tested, number - held - tested
