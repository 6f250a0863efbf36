"""What a sequence model predicts: labels or values. The module loads no torch, so that options can be read without."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from carousel.errors import CarouselError, shown
from carousel.models.cells import CELLS, check_options
from carousel.plain import typed

MLP_CELL = "mlp"  # the cell of a network without recurrence
# beyond, an interval has no width, or its bounds are farther away than any value
LEAST_INTERVAL, MOST_INTERVAL = 0.001, 0.9999
SEQUENCE_CELLS = (*CELLS, MLP_CELL)


@dataclass(frozen=True)
class Head:
    """What a sequence model predicts."""

    task: ClassVar[str]  # its name
    each_step: ClassVar[bool] = True  # whether there is an output for each step, or one for the sequence
    causal: ClassVar[bool] = False  # whether later steps must not be read
    # whole sequences are held out where there are so many; where there are fewer, the end of each
    held_out_from: ClassVar[float]


@dataclass(frozen=True)
class Tag(Head):
    """A label at each step (time-synchronous)."""

    task: ClassVar[str] = "tag"
    held_out_from: ClassVar[float] = 8


@dataclass(frozen=True)
class Classify(Head):
    """One label for a sequence."""

    task: ClassVar[str] = "classify"
    each_step: ClassVar[bool] = False
    held_out_from: ClassVar[float] = 0


@dataclass(frozen=True)
class Forecast(Head):
    """The next values of each step, with an interval.

    Args:
        horizon: H, how many steps ahead.
        season: the number of steps after which the series repeats: 12 for months, 24 for hours, 1 for none. The
            seasonal-naive forecast, which repeats the last season, is where training begins and what scores are
            compared with.
        log: learn logarithms, for series above 0 whose swings grow with their level.
        interval: the share of future values that shall lie within the interval.

    Raises CarouselError for values out of these limits.

    >>> Forecast(horizon=12, season=12).interval
    0.9
    """

    task: ClassVar[str] = "forecast"  # its name
    causal: ClassVar[bool] = True  # what comes is not read
    held_out_from: ClassVar[float] = math.inf  # the end of each series is held out
    horizon: int = 1
    season: int = 1
    log: bool = False
    interval: float = 0.9

    def __post_init__(self) -> None:
        for name in ("horizon", "season"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise CarouselError(f"{name} must be a whole number of at least 1; got {value!r}.")
        if not LEAST_INTERVAL <= typed(float, self.interval, "interval") <= MOST_INTERVAL:
            raise CarouselError(
                f"interval must be a share from {LEAST_INTERVAL} to {MOST_INTERVAL}, such as 0.9; got {self.interval}."
            )


HEADS: dict[str, type[Head]] = {each.task: each for each in (Tag, Classify, Forecast)}


def head_of(head: str | Head) -> Head:
    """A head by its name, with its defaults, or as it is; raises CarouselError for anything else."""
    if isinstance(head, Head):
        return head
    if head not in HEADS:
        raise CarouselError(
            f"head must be one of {', '.join(HEADS)}, or carousel.Forecast(horizon=12); got {head!r}."
        )
    return HEADS[head]()


def head_to_dict(head: Head) -> dict[str, Any]:
    """Its task and options, for JSON."""
    return {"task": head.task, **dataclasses.asdict(head)}


def head_from_dict(about: dict[str, Any]) -> Head:
    """The head that `head_to_dict` wrote."""
    options = dict(about)
    task = options.pop("task", None)
    if not isinstance(task, str) or task not in HEADS:
        raise CarouselError(f"task must be one of {', '.join(HEADS)}; got {shown(task, 40)}.")
    return typed(HEADS[task], options, "head")


def check_model(head: Head | type[Head], options: dict[str, Any]) -> None:
    """Raise CarouselError for options of a model out of their limits, and for those that exclude each other."""
    cell = options["cell"]
    check_options(options, SEQUENCE_CELLS)
    if options["bidirectional"] and head.causal:
        raise CarouselError("bidirectional reads what comes, which a forecast cannot; leave it out.")
    recurrent = ("bidirectional", "weight_drop", "recurrent_dropout")
    foreign = [name for name in recurrent if options[name]] if cell == MLP_CELL else []
    if cell != MLP_CELL and options["context"] != 1:
        foreign = ["context"]
    if foreign:
        raise CarouselError(
            f"{foreign[0]} belongs to a cell {'with recurrence' if cell == MLP_CELL else MLP_CELL}; got "
            f"{foreign[0]}={options[foreign[0]]} for {cell}. Leave one out."
        )
