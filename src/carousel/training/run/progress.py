"""The events of a training run that `on_progress` gets, beside those that any long work has.

The command line draws its progress bar from these events.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from carousel.progress import Event


class AnyScore(Protocol):
    """How good a model is on a part of the data; the session keeps the weights with the lowest `value`."""

    @property
    def value(self) -> float: ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Started(Event):
    """Training proper begins, or goes on at `step` of `steps`."""

    folder: Path
    step: int
    steps: int
    parameters: int
    contents: str  # the sizes of the data


@dataclass(frozen=True)
class Stepped(Event):
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

    @property
    def share(self) -> float:
        return self.step / self.steps


@dataclass(frozen=True)
class Evaluated(Event):
    """The valid part was scored after `step`; `best` says that these weights were kept."""

    step: int
    score: AnyScore
    best: bool


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint was written: nothing up to `step` can be lost any more."""

    step: int


@dataclass(frozen=True)
class Finished(Event):
    """Training has ended, with the best weights' score on the whole valid and test parts."""

    folder: Path
    step: int
    best_step: int
    reason: str  # "steps" or "patience"
    valid: AnyScore
    test: AnyScore
    seconds: float
