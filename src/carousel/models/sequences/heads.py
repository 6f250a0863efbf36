"""What a sequence model says, and the layer that says it; free of torch, so that options can be read without it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from carousel.errors import CarouselError, shown
from carousel.models.cells import CELLS, check_layers
from carousel.plain import typed

WITHOUT = "mlp"  # the cell of a network without recurrence
# beyond, an interval has no width, or its bounds are farther away than any value
LEAST_INTERVAL, MOST_INTERVAL = 0.001, 0.9999
SEQUENCE_CELLS = (*CELLS, WITHOUT)


@dataclass(frozen=True)
class Tag:
    """A label at each step (time-synchronous)."""

    task: ClassVar[str] = "tag"


@dataclass(frozen=True)
class Classify:
    """One label for a sequence."""

    task: ClassVar[str] = "classify"


@dataclass(frozen=True)
class Forecast:
    """The next values of each step, with an interval.

    Args:
        horizon: H, how many steps ahead.
        season: how many steps until the series repeats: 12 for months, 24 for hours, 1 for none. The last
            season is the forecast that training begins with, and is compared with.
        log: learn logarithms, for series above 0 whose swings grow with their level.
        interval: the share of what comes that shall lie within the interval.

    Raises CarouselError for values out of these limits.
    """

    task: ClassVar[str] = "forecast"
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


Head = Tag | Classify | Forecast
HEADS: dict[str, type[Tag] | type[Classify] | type[Forecast]] = {
    each.task: each for each in (Tag, Classify, Forecast)
}


def head_of(head: str | Head) -> Head:
    """A head by its name, with its defaults, or as it is; raises CarouselError for anything else."""
    if isinstance(head, Tag | Classify | Forecast):
        return head
    if head not in HEADS:
        raise CarouselError(
            f"head must be one of {', '.join(HEADS)}, or one of carousel.models' Tag(), Classify() and "
            f"Forecast(horizon=12); got {head!r}."
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


def check_model(task: str, options: dict[str, Any]) -> None:
    """Raise CarouselError for an unknown cell, sizes below 1, and options that exclude each other."""
    cell = options["cell"]
    if cell not in SEQUENCE_CELLS:
        raise CarouselError(f"cell must be one of {', '.join(SEQUENCE_CELLS)}; got {cell!r}.")
    for name in ("hidden_size", "num_layers", "context"):
        size = options[name]
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise CarouselError(f"{name} must be a whole number of at least 1; got {size!r}.")
    check_layers(options["num_layers"])
    for name in ("dropout", "weight_drop", "recurrent_dropout"):
        if not 0 <= options[name] < 1:
            raise CarouselError(f"{name} must be at least 0 and below 1; got {options[name]}.")
    if options["bidirectional"] and task == "forecast":
        raise CarouselError("bidirectional reads what comes, which a forecast cannot; leave it out.")
    recurrent = ("bidirectional", "weight_drop", "recurrent_dropout")
    foreign = [name for name in recurrent if options[name]] if cell == WITHOUT else []
    if cell != WITHOUT and options["context"] != 1:
        foreign = ["context"]
    if foreign:
        raise CarouselError(
            f"{foreign[0]} belongs to a cell {'with recurrence' if cell == WITHOUT else WITHOUT}; got "
            f"{foreign[0]}={options[foreign[0]]} for {cell}. Leave one out."
        )
