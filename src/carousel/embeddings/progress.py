"""What training tells whoever watches it: small frozen events, given to one function.

An observer is any callable that takes an event. It is called from the training thread, about ten times a second.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Text is being read: so many tokens of so many different words so far; `done` of all bytes, if known."""

    tokens: int
    words: int
    done: float | None


@dataclass(frozen=True)
class Stage:
    """A part of the preparation begins: `message` says which."""

    message: str


@dataclass(frozen=True)
class Note:
    """Something that whoever trains should know; it stays to be read, unlike a Stage."""

    message: str


@dataclass(frozen=True)
class Lack(Note):
    """A Note of what is missing from the result: files that were left out, a loss that cannot be estimated."""


@dataclass(frozen=True)
class Started:
    """Training proper begins, or goes on after `done` of all of it."""

    vocabulary: int
    tokens: int  # of each epoch
    epochs: int
    threads: int
    done: float


@dataclass(frozen=True)
class Stepped:
    """So many tokens of `total` are done."""

    tokens: int
    total: int
    epoch: float
    words_per_second: float  # tokens of the text per second, since training began or went on
    lr: float
    loss: float | None  # the latest held-out loss
    seconds_left: float


@dataclass(frozen=True)
class Evaluated:
    """The held-out loss after so many epochs; `best` says that it is the lowest so far."""

    epoch: float
    loss: float
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    path: str


@dataclass(frozen=True)
class Finished:
    """Training has ended."""

    reason: str  # "epochs" or "patience"
    loss: float | None
    seconds: float
    words_per_second: float


Event = Reading | Stage | Note | Started | Stepped | Evaluated | Saved | Finished
Observer = Callable[[Event], None]


def warned(event: Event) -> None:
    """The observer of callers that have none: it warns of what is missing from the result, and ignores the rest."""
    if isinstance(event, Lack):
        warnings.warn(event.message, stacklevel=2)


def silent(event: Event) -> None:
    """The observer that ignores every event."""
