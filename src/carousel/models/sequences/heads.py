"""What a sequence model predicts: labels or values; free of torch, so that options can be read without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from carousel.errors import CarouselError, shown
from carousel.models.cells import CELLS, check_options
from carousel.plain import typed

if TYPE_CHECKING:
    import numpy as np

    from carousel.data.sequences import Sequences
    from carousel.models.sequences.predictions import Prediction

MLP_CELL = "mlp"  # the cell of a network without recurrence
# beyond, an interval has no width, or its bounds are farther away than any value
LEAST_INTERVAL, MOST_INTERVAL = 0.001, 0.9999
SEQUENCE_CELLS = (*CELLS, MLP_CELL)
FEW = 8  # sequences of tags below which time is held out, not sequences


class Model(Protocol):
    """What a head needs of the model that it belongs to."""

    labels: list[Any]

    def predict(self, data: Any) -> Any: ...
    def probabilities(self, data: Any) -> Any: ...
    def in_units_of_data(self, output: np.ndarray) -> Prediction: ...


@dataclass(frozen=True)
class Head:
    """What a sequence model predicts, and all that differs from one kind of prediction to another."""

    task: ClassVar[str]
    each_step: ClassVar[bool] = True  # whether there is an output for each step, or one for the sequence
    causal: ClassVar[bool] = False  # whether later steps must not be read

    def input_width(self, encoded: int, targets: int) -> int:
        """How many numbers the recurrent layers read at each step, where `encoded` are given."""
        return encoded

    def fits(self, columns: int, targets: int, labels: int) -> bool:
        """Whether a model may have so many columns, targets and labels."""
        return targets == 0 < labels

    def holds_out_sequences(self, number: int) -> bool:
        """Whether whole sequences are held out, where there are so many; else the end of each."""
        raise NotImplementedError

    def check_lengths(self, sequences: Sequences) -> None:
        """Raise CarouselError for a sequence that is too short to predict from."""

    def prediction(self, output: np.ndarray, model: Model) -> Any:
        """What `SequenceModel.predict` returns for one sequence, from the output of the model."""
        raise NotImplementedError

    def probabilities(self, each: Iterable[np.ndarray]) -> Any:
        """What `SequenceModel.probabilities` returns, from the probabilities of each sequence."""
        return list(each)

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        """The rows of a table of predictions, the names of the columns first."""
        raise NotImplementedError


@dataclass(frozen=True)
class Tag(Head):
    """A label at each step (time-synchronous)."""

    task: ClassVar[str] = "tag"

    def holds_out_sequences(self, number: int) -> bool:
        return number >= FEW

    def prediction(self, output: np.ndarray, model: Model) -> list[Any]:
        return [model.labels[best] for best in output.argmax(axis=-1).tolist()]

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        yield ("sequence", "step", "label", "probability")
        for item, rows in zip(sequences.items, model.probabilities(sequences), strict=True):
            for step, row in enumerate(rows, 1):
                yield (item.name, step, model.labels[int(row.argmax())], f"{row.max():.4f}")


@dataclass(frozen=True)
class Classify(Head):
    """One label for a sequence."""

    task: ClassVar[str] = "classify"
    each_step: ClassVar[bool] = False

    def holds_out_sequences(self, number: int) -> bool:
        return True

    def prediction(self, output: np.ndarray, model: Model) -> Any:
        return model.labels[int(output.argmax())]

    def probabilities(self, each: Iterable[np.ndarray]) -> np.ndarray:
        import numpy as np

        return np.stack(list(each))

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        yield ("sequence", "label", "probability")
        for item, row in zip(sequences.items, model.probabilities(sequences), strict=True):
            yield (item.name, model.labels[int(row.argmax())], f"{row.max():.4f}")


@dataclass(frozen=True)
class Forecast(Head):
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
    causal: ClassVar[bool] = True
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

    def input_width(self, encoded: int, targets: int) -> int:
        return encoded + 2 * targets  # how far each target has come since the last step and season

    def fits(self, columns: int, targets: int, labels: int) -> bool:
        return 0 < targets <= columns

    def holds_out_sequences(self, number: int) -> bool:
        return False

    def check_lengths(self, sequences: Sequences) -> None:
        needed = self.season + 1
        for item in sequences.items:
            if len(item) < needed:
                raise CarouselError(
                    f"a forecast reads at least one season and one step more, {needed} steps; the sequence "
                    f"{item.name!r} has {len(item)}."
                )

    def prediction(self, output: np.ndarray, model: Model) -> Prediction:
        """The forecast that follows the last step."""
        return model.in_units_of_data(output[-1])

    def probabilities(self, each: Iterable[np.ndarray]) -> Any:
        raise CarouselError(
            "a forecast has no labels, and so no probabilities; its intervals are in predict."
        )

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        yield ("sequence", "ahead", "column", "forecast", "low", "high")
        for item, found in zip(sequences.items, model.predict(sequences), strict=True):
            for ahead, values in enumerate(zip(found.middle, found.low, found.high, strict=True), 1):
                for column, *figures in zip(sequences.numbers, *values, strict=False):
                    yield (item.name, ahead, column, *(f"{figure:.6g}" for figure in figures))


HEADS: dict[str, type[Head]] = {each.task: each for each in (Tag, Classify, Forecast)}


def head_of(head: str | Head) -> Head:
    """A head by its name, with its defaults, or as it is; raises CarouselError for anything else."""
    if isinstance(head, Head):
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
