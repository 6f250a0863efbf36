"""Events by which long work reports to one function, `on_progress`. They are small and frozen.

`train`, `fit`, `embed`, `diagnose` and the experiments of the lab take `on_progress`: any callable with one argument.
It is called in the thread that called them, so it should be quick. The events here may come from any of them; those of
a training run are in `carousel.training.run.progress`, those of word vectors in `carousel.embeddings.progress`.
`carousel.display` shows all of them and knows only what stands here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """What every event has: `str(event)` are its words, and a log shows them. "" is shown nowhere."""

    def __str__(self) -> str:
        return ""

    @property
    def share(self) -> float | None:
        """The share of the work that is done, from 0 to 1; None where the event does not tell."""
        return None

    @property
    def figures(self) -> Mapping[str, str]:
        """Named numbers as text, the most important first. A display keeps the latest of each name."""
        return {}


@dataclass(frozen=True)
class Message(Event):
    """An event that is its words."""

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


class Line:
    """One line that stays up to date: the words of the latest event and the latest figure of each name.

    >>> line = Line()
    >>> line.update(Progress("spectrum", 0.25))
    >>> line.text(), line.share
    ('spectrum', 0.25)
    """

    def __init__(self) -> None:
        self.share: float | None = None
        self._words = ""
        self._figures: dict[str, str] = {}

    def update(self, event: Event) -> None:
        """Take the share, words and figures of an event; an empty figure only reserves a place."""
        if event.share is not None:
            self.share, self._words = event.share, str(event)
        self._figures |= {
            name: value for name, value in event.figures.items() if value or name not in self._figures
        }

    def text(self, width: int | None = None) -> str:
        """The line in at most `width` columns: figures that do not fit are left out whole, the last ones first."""
        shown = ""
        for part in filter(None, [self._words, *self._figures.values()]):
            longer = f"{shown}  {part}" if shown else part
            if shown and width is not None and len(longer) > width:
                break
            shown = longer
        return shown


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss.

    >>> clock(130), clock(7265)
    ('2:10', '2:01:05')
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
