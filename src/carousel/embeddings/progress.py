"""The events that the training of word vectors sends to `on_progress`, besides those of any long work."""

import warnings
from dataclasses import dataclass

from carousel.notebook import notebook_line
from carousel.progress import Event, Note, clock


@dataclass(frozen=True)
class Reading(Event):
    """Text is being read."""

    tokens: int  # read so far
    words: int  # different words among them
    done: float | None  # share of all bytes, if known

    def __str__(self) -> str:
        return f"reading: {self.tokens:,} tokens, {self.words:,} different words"

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

    def __str__(self) -> str:
        again = f", going on after {100 * self.done:.0f} %" if self.done else ""
        return (
            f"{self.vocabulary:,} words, {self.tokens:,} tokens, {self.epochs} epochs, "
            f"{self.threads} thread{'s' if self.threads > 1 else ''}{again}"
        )


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

    def __str__(self) -> str:
        return f"epoch {self.epoch:.2f}"

    @property
    def share(self) -> float:
        return self.tokens / self.total

    @property
    def figures(self) -> dict[str, str]:
        return {
            "loss": "" if self.loss is None else f"loss {self.loss:.4f}",
            "left": f"{clock(self.seconds_left)} left",
            "speed": _millions(self.words_per_second),
            "lr": f"lr {self.lr:.4f}",
        }


@dataclass(frozen=True)
class Evaluated(Event):
    """The held-out loss was estimated."""

    epoch: float
    loss: float  # nats for each prediction
    best: bool  # whether it is the lowest so far

    def __str__(self) -> str:
        return f"epoch {self.epoch:.2f}: held-out loss {self.loss:.4f}{', best so far' * self.best}"

    @property
    def figures(self) -> dict[str, str]:
        return {"loss": f"loss {self.loss:.4f}{'' if self.best else ' (no better)'}"}


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

    def __str__(self) -> str:
        return f"{_millions(self.words_per_second)}, {clock(self.seconds)} in all"

    @property
    def figures(self) -> dict[str, str]:
        return {"left": f"{clock(self.seconds)} in all"}


def _millions(words_per_second: float) -> str:
    return f"{words_per_second / 1e6:.2f} M words/s"


def warn_of_missing(event: Event) -> None:
    """The observer of callers that pass none: it warns of what the result lacks, and a notebook shows the rest."""
    if isinstance(event, MissingResult):
        warnings.warn(event.message, stacklevel=2)
    else:
        notebook_line(event)
