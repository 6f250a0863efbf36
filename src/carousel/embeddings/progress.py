"""The events that the training of word vectors sends to `on_progress`, besides those of any long work."""

import warnings
from dataclasses import dataclass

from carousel.progress import Event, Note


@dataclass(frozen=True)
class Reading(Event):
    """Text is being read."""

    tokens: int  # read so far
    words: int  # different words among them
    done: float | None  # share of all bytes, if known

    @property
    def share(self) -> float | None:
        return self.done


@dataclass(frozen=True)
class MissingResult(Note):
    """What the result lacks: files that were left out, or a loss that cannot be estimated."""


@dataclass(frozen=True)
class Started(Event):
    """Training begins after the text is read, or goes on."""

    vocabulary: int
    tokens: int  # of each epoch
    epochs: int
    threads: int
    done: float  # share of all tokens that is trained on already


@dataclass(frozen=True)
class Stepped(Event):
    """A part of the tokens is trained on."""

    tokens: int  # of all epochs so far
    total: int  # of all epochs
    epoch: float  # epochs done, with their fraction
    words_per_second: float  # tokens of the text per second, since training began or went on
    lr: float
    loss: float | None  # the latest held-out loss
    seconds_left: float

    @property
    def share(self) -> float:
        return self.tokens / self.total


@dataclass(frozen=True)
class Evaluated(Event):
    """The held-out loss was estimated."""

    epoch: float
    loss: float  # nats for each prediction
    best: bool  # whether it is the lowest so far


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


def warn_of_missing(event: Event) -> None:
    """The observer of callers that pass none: it warns of what the result lacks, and ignores all other events."""
    if isinstance(event, MissingResult):
        warnings.warn(event.message, stacklevel=2)
