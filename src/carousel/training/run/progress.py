"""The events of a training run that `on_progress` gets, beside those that any long work has.

The command line draws its progress bar from these events.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from carousel.progress import Event, clock


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

    def __str__(self) -> str:
        again = f", going on at step {self.step:,}" if self.step else ""
        return (
            f"{self.parameters:,} parameters, {self.contents}, {self.steps:,} steps{again} -> {self.folder}"
        )


@dataclass(frozen=True)
class Stepped(Event):
    """`step` of `steps` is done; sent about ten times a second, not at every step."""

    step: int
    steps: int
    epoch: float
    score: AnyScore  # on the train part, smoothed over about 50 steps
    score_words: str  # the score by the number that one watches
    tokens_per_second: float  # of sequences that are not text: steps of time
    speed_unit: str  # tokens, or steps
    gradient_norm: float  # before clipping
    lr: float
    seconds: float  # trained so far, earlier sessions included
    seconds_left: float

    def __str__(self) -> str:
        return f"step {self.step:,} of {self.steps:,}"

    @property
    def share(self) -> float:
        return self.step / self.steps

    @property
    def figures(self) -> dict[str, str]:
        return {
            "train": self.score_words,
            "left": f"{clock(self.seconds_left)} left",
            "valid": "",  # the place for that of Evaluated
            "speed": f"{self.tokens_per_second:,.0f} {self.speed_unit}/s",
            "gradient norm": f"|g| {self.gradient_norm:.2f}",
        }


@dataclass(frozen=True)
class Evaluated(Event):
    """The valid part was scored after `step`; `best` says that these weights were kept."""

    step: int
    score: AnyScore
    score_words: str
    best: bool

    def __str__(self) -> str:
        return f"step {self.step:,}: valid {self.score_words}{', best so far' * self.best}"

    @property
    def figures(self) -> dict[str, str]:
        return {"valid": f"valid {self.score_words}{'' if self.best else ' (worse)'}"}


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

    @property
    def figures(self) -> dict[str, str]:
        return {"left": "done"}
