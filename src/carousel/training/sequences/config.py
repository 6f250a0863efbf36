"""The options of the training on sequences, beside those that every run has. The module loads no torch."""

import os
from dataclasses import dataclass, field, fields
from typing import Any, Self

from carousel.data.sequences.layout import TASKS, Layout
from carousel.errors import CarouselError
from carousel.models.cells import MOST_LAYERS
from carousel.models.sequences.heads import (
    HEADS,
    LEAST_INTERVAL,
    MLP_CELL,
    MOST_INTERVAL,
    SEQUENCE_CELLS,
    Forecast,
    Head,
    check_model,
)
from carousel.options import again, described, option
from carousel.training.loop.config import LoopConfig, without_dropout
from carousel.training.sequences.score import SCORES, ForecastScore, LabelScore

_TASKS_OF = {
    **{each.name: ("forecast",) for each in fields(Forecast)},
    **dict.fromkeys(("test_file", "bidirectional", "text"), ("tag", "classify")),
}
MODEL = (
    "cell",
    "hidden_size",
    "num_layers",
    "bidirectional",
    "context",
    "dropout",
    "locked_dropout",
    "weight_drop",
    "recurrent_dropout",
)


@dataclass(frozen=True)
class SequenceConfig(LoopConfig):
    """The options of `carousel train --task`; those of the loop are in `LoopConfig`.

    Raises CarouselError for a value of the wrong type or out of its limits, and for options of another task.

    >>> SequenceConfig(task="forecast", horizon=12, season=12).head
    Forecast(horizon=12, season=12, log=False, interval=0.9)
    """

    task: str = option(
        "classify",
        "learn from the steps of a CSV file: tag each, classify sequences of them, or forecast what comes next",
        choices=TASKS,
    )
    paths: list[str] = field(default_factory=list, metadata=described("the CSV file to learn from"))
    test_file: str | None = option(
        None, "task tag, classify: a CSV file for the test (none: a share of the data)"
    )
    valid: float = option(0.15, "share of the data that chooses the best weights", above=0, below=1)
    test: float = option(0.15, "share of the data that judges them", above=0, below=1)

    target: str | None = option(
        None, "column of the label; to forecast, columns separated by commas (none: all numbers)"
    )
    sequence: str | None = option(None, "column that tells sequences apart (none: all rows are one)")
    time: str | None = option(
        None,
        "column of time, which must rise (none: the first of dates, or a first column of numbers named time)",
    )
    text: str | None = option(None, "column to spell: each row is a sequence of characters")
    inputs: str | None = option(None, "columns of numbers to read, separated by commas (none: all)")
    categories: str | None = option(None, "columns that hold one of a few values, separated by commas")
    weight: str | None = option(None, "column of the weight of each step in the loss")

    horizon: int = option(1, "forecast: how many steps ahead", minimum=1)
    season: int = option(
        1, "forecast: steps until the series repeats: 12 for months, 24 for hours", minimum=1
    )
    log: bool = option(False, "forecast: learn logarithms, for series above 0 that swing the more the higher")
    interval: float = option(
        0.9,
        "forecast: share of what comes that the interval shall hold",
        minimum=LEAST_INTERVAL,
        maximum=MOST_INTERVAL,
    )

    cell: str = option("lstm", f"cell, or {MLP_CELL}: without recurrence", choices=SEQUENCE_CELLS)
    hidden_size: int = option(64, "units of each layer", minimum=1)
    num_layers: int = option(1, "number of hidden layers", minimum=1, maximum=MOST_LAYERS)
    bidirectional: bool = option(False, "task tag, classify: read sequences from both ends")
    context: int = option(1, f"cell {MLP_CELL}: how many steps it sees", minimum=1)
    dropout: float = option(0.0, "share of values dropped before, between, after layers", minimum=0, below=1)
    locked_dropout: bool = option(False, "dropout with one mask for all steps of a sequence")
    weight_drop: float = option(0.0, "share of recurrent weights dropped", minimum=0, below=1)
    recurrent_dropout: float = option(
        0.0, "share of h dropped from recurrent products, by one mask for all steps", minimum=0, below=1
    )

    bptt: int = again(LoopConfig, "bptt", 128)
    lr: float = again(LoopConfig, "lr", 4e-3)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_model(HEADS[self.task], self.model_options)
        self._check_task()
        if self.valid + self.test >= 1:
            raise CarouselError(
                f"valid and test must leave a share to learn from; got {self.valid:g} and {self.test:g}. Pass shares "
                "whose sum is below 1."
            )

    @property
    def head(self) -> Head:
        """What the model predicts."""
        kind = HEADS[self.task]
        return kind(**{each.name: getattr(self, each.name) for each in fields(kind)})

    @property
    def model_options(self) -> dict[str, Any]:
        """The keyword arguments of the model."""
        return {name: getattr(self, name) for name in MODEL}

    @property
    def layout(self) -> Layout:
        """What the columns of the CSV file are."""
        names = ("target", "sequence", "time", "text", "inputs", "categories", "weight")
        return Layout(self.task, **{name: getattr(self, name) for name in names})

    def idle(self) -> dict[str, str]:
        return super().idle() | without_dropout(self)

    def absolute(self) -> Self:
        held = None if self.test_file is None else _absolute(self.test_file)
        return self.override(paths=[_absolute(path) for path in self.paths], test_file=held)

    @property
    def score_class(self) -> type[LabelScore] | type[ForecastScore]:
        """The class of the scores of such a run."""
        return SCORES[self.task]

    def _check_task(self) -> None:
        """Options that belong to one kind of task."""
        unset = {each.name: each.default for each in self.__dataclass_fields__.values()}
        for name, tasks in _TASKS_OF.items():
            if self.task not in tasks and getattr(self, name) != unset[name]:
                raise CarouselError(
                    f"{name} is an option of task {' and '.join(tasks)}; got {name}={getattr(self, name)} for "
                    f"{self.task}. Leave it out."
                )


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))
