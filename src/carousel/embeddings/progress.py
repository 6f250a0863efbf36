"""What the training of word vectors tells through `on_progress`, beside the events that any long work has."""

import warnings
from dataclasses import dataclass

from carousel.progress import Event, Note


@dataclass(frozen=True)
class Reading(Event):
    """Text is being read: so many tokens of so many different words so far; `done` of all bytes, if known."""

    tokens: int
    words: int
    done: float | None

    @property
    def share(self) -> float | None:
        return self.done


@dataclass(frozen=True)
class Lack(Note):
    """A Note of what is missing from the result: files that were left out, a loss that cannot be estimated."""


@dataclass(frozen=True)
class Started(Event):
    """Training proper begins, or goes on after `done` of all of it."""

    vocabulary: int
    tokens: int  # of each epoch
    epochs: int
    threads: int
    done: float


@dataclass(frozen=True)
class Stepped(Event):
    """So many tokens of `total` are done."""

    tokens: int
    total: int
    epoch: float
    words_per_second: float  # tokens of the text per second, since training began or went on
    lr: float
    loss: float | None  # the latest held-out loss
    seconds_left: float

    @property
    def share(self) -> float:
        return self.tokens / self.total


@dataclass(frozen=True)
class Evaluated(Event):
    """The held-out loss after so many epochs; `best` says that it is the lowest so far."""

    epoch: float
    loss: float
    best: bool


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint was written."""

    path: str


@dataclass(frozen=True)
class Finished(Event):
    """Training has ended."""

    reason: str  # "epochs" or "patience"
    loss: float | None
    seconds: float
    words_per_second: float


def warned(event: Event) -> None:
    """The observer of callers that have none: it warns of what is missing from the result, and ignores the rest."""
    if isinstance(event, Lack):
        warnings.warn(event.message, stacklevel=2)
