"""Train, valid and test: whole sequences where there are several, else stretches of time, the latest ones held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from carousel.data.sequences.examples import Sequences
from carousel.errors import CarouselError


class Span(NamedTuple):
    """Steps `first` to `stop` of a sequence; what comes before them may be read, but does not count."""

    sequence: int
    first: int
    stop: int


@dataclass(frozen=True)
class Parts:
    """The spans of each part."""

    train: list[Span]
    valid: list[Span]
    test: list[Span]


def split_by_sequence(sequences: Sequences, valid: float, test: float, seed: int) -> Parts:
    """Whole sequences, drawn at random, with the shares of each label kept where there is one label for each.

    Raises CarouselError if a part would be empty.
    """
    random = np.random.default_rng(seed)
    kinds: dict[object, list[int]] = {}
    for k, item in enumerate(sequences.items):
        kinds.setdefault(None if isinstance(item.label, list) else item.label, []).append(k)
    order = [k for kind in kinds.values() for k in _spread(random.permutation(kind))]
    places = np.argsort(np.array([place for place, _ in order]), kind="stable")
    numbers = [order[k][1] for k in places]
    counts = _counts(len(numbers), valid, test, "sequences", sequences.source)
    cuts = np.cumsum(counts)
    held, tested, rest = numbers[: cuts[0]], numbers[cuts[0] : cuts[1]], numbers[cuts[1] :]
    return Parts(*[_whole(sequences, sorted(part)) for part in (rest, held, tested)])


def split_by_time(sequences: Sequences, valid: float, test: float) -> Parts:
    """The last steps of every sequence for the test, those before them for choosing, all others to learn from.

    Raises CarouselError if a sequence is too short for that.
    """
    parts = Parts([], [], [])
    for k, item in enumerate(sequences.items):
        held, tested, rest = _counts(len(item), valid, test, "steps", _called(sequences, k))
        parts.train.append(Span(k, 0, rest))
        if held:
            parts.valid.append(Span(k, rest, rest + held))
        if tested:
            parts.test.append(Span(k, rest + held, len(item)))
    return parts


def _spread(numbers: np.ndarray) -> list[tuple[float, int]]:
    """Each with a place from 0 to 1: those of one label lie evenly between those of others."""
    return [((k + 0.5) / len(numbers), int(number)) for k, number in enumerate(numbers)]


def _whole(sequences: Sequences, numbers: list[int]) -> list[Span]:
    return [Span(k, 0, len(sequences.items[k])) for k in numbers]


def _counts(number: int, valid: float, test: float, what: str, source: str) -> tuple[int, int, int]:
    """How many for the valid part, the test part and the train part; a share that is not 0 gives at least one."""
    held, tested = (max(1, math.floor(share * number)) if share else 0 for share in (valid, test))
    if number - held - tested < 1:
        raise CarouselError(
            f"{source} has {number} {what}, too few for a part to learn from beside {held} for valid and {tested} for "
            "test. Give more data, or smaller shares."
        )
    return held, tested, number - held - tested


def _called(sequences: Sequences, k: int) -> str:
    name = sequences.items[k].name
    return f"the sequence {name!r} of {sequences.source}" if name else sequences.source
