"""What the training of word vectors tells through `on_progress`, beside the events that any long work has."""

import warnings
from dataclasses import dataclass

from carousel.notebook import notebook_line
from carousel.progress import Event, Note, clock


@dataclass(frozen=True)
class Reading(Event):
    """Text is being read: so many tokens of so many different words so far; `done` of all bytes, if known."""

    tokens: int
    words: int
    done: float | None

    def __str__(self) -> str:
        return f"reading: {self.tokens:,} tokens, {self.words:,} different words"

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

    def __str__(self) -> str:
        again = f", going on after {100 * self.done:.0f} %" if self.done else ""
        return (
            f"{self.vocabulary:,} words, {self.tokens:,} tokens, {self.epochs} epochs, "
            f"{self.threads} thread{'s' if self.threads > 1 else ''}{again}"
        )


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
    """The held-out loss after so many epochs; `best` says that it is the lowest so far."""

    epoch: float
    loss: float
    best: bool

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


def warned(event: Event) -> None:
    """The observer of callers that pass none: it warns of what is missing, and a notebook shows the rest."""
    if isinstance(event, Lack):
        warnings.warn(event.message, stacklevel=2)
    else:
        notebook_line(event)
