"""What work that takes long tells whoever watches: small frozen events, given to one function, `on_progress`.

`train`, `fit`, `embed`, `diagnose` and the experiments of the lab take `on_progress`: any callable with one argument.
It is called in the thread that called them, so it should be quick. The events here may come from any of them; those of
a training run are in `carousel.training.run.progress`, those of word vectors in `carousel.embeddings.progress`.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """What every event is."""

    @property
    def share(self) -> float | None:
        """The share of the work that is done, from 0 to 1; None where the event does not tell."""
        return None


@dataclass(frozen=True)
class Message(Event):
    """An event that is said by its words."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Stage(Message):
    """A part of the work begins: `message` says which."""


@dataclass(frozen=True)
class Note(Message):
    """Something that whoever watches should know; it stays to be read, unlike a Stage."""


@dataclass(frozen=True)
class Progress(Message):
    """`done` of the work is done, from 0 to 1; `message` says what is worked on.

    >>> print(Progress("spectrum", 0.25), Progress("spectrum", 0.25).share)
    spectrum 0.25
    """

    done: float

    @property
    def share(self) -> float:
        return self.done


Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """The observer that ignores every event."""
