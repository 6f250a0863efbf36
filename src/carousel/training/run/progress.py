"""What a training run tells whoever watches it: small frozen events, given to one function.

An observer is any callable that takes an event. It is called from the training thread, so it should be quick.
The command line draws its progress bar from these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from carousel.training.language.score import AnyScore


@dataclass(frozen=True)
class Stage:
    """A part of the preparation or of the closing work begins: `message` says which."""

    message: str


@dataclass(frozen=True)
class Note:
    """Something that whoever trains should know; it stays to be read, unlike a Stage."""

    message: str


@dataclass(frozen=True)
class Started:
    """Training proper begins, or goes on at `step` of `steps`."""

    folder: Path
    step: int
    steps: int
    parameters: int
    contents: str  # the sizes of the data


@dataclass(frozen=True)
class Stepped:
    """`step` of `steps` is done; sent about ten times a second, not at every step."""

    step: int
    steps: int
    epoch: float
    score: AnyScore  # on the train part, smoothed over about 50 steps
    tokens_per_second: float  # of sequences that are not text: steps of time
    gradient_norm: float  # before clipping
    lr: float
    seconds: float  # trained so far, earlier sessions included
    seconds_left: float


@dataclass(frozen=True)
class Evaluated:
    """The valid part was scored after `step`; `best` says that these weights were kept."""

    step: int
    score: AnyScore
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written: nothing up to `step` can be lost any more."""

    step: int


@dataclass(frozen=True)
class Finished:
    """Training has ended, with the best weights' score on the whole valid and test parts."""

    folder: Path
    step: int
    best_step: int
    reason: str  # "steps" or "patience"
    valid: AnyScore
    test: AnyScore
    seconds: float


Event = Stage | Note | Started | Stepped | Evaluated | Saved | Finished
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """The observer that ignores every event."""
