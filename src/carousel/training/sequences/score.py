"""How good a model of sequences is: labels that are right, or how far forecasts are from what came."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from carousel.errors import CarouselError
from carousel.shown import Shown, Table, percent

if TYPE_CHECKING:
    from carousel.models.sequences.model import SequenceModel


@dataclass(frozen=True)
class Loss:
    """The mean loss of windows of the train part, in nats."""

    value: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"loss {self.value:.3f}"


@dataclass(frozen=True)
class LabelScore(Shown):
    """How many labels a model predicted correctly.

    nats: the sum of the loss. confusion: the count of each true label (row) and predicted label (column), in the order
    of `labels`.

    >>> score = LabelScore(nats=2.0, labels=("a", "b"), confusion=((3, 1), (0, 4)))
    >>> score.accuracy, score.value
    (0.875, 0.25)
    """

    nats: float
    labels: tuple[Any, ...]
    confusion: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        square = {len(self.labels)} == {len(self.confusion), *map(len, self.confusion)}
        if not square or min(map(min, self.confusion)) < 0 or not self.count:
            raise CarouselError("score: confusion must have a row and a column of counts for each label.")

    @property
    def count(self) -> int:
        """The number of labels."""
        return sum(sum(row) for row in self.confusion)

    @property
    def accuracy(self) -> float:
        """The share of labels that were predicted correctly."""
        return sum(self.confusion[k][k] for k in range(len(self.labels))) / self.count

    @property
    def balanced(self) -> float:
        """The mean over labels of the share predicted correctly, where always guessing one label does not help."""
        rows = [(row[k], sum(row)) for k, row in enumerate(self.confusion)]
        shares = [right / all_of_them for right, all_of_them in rows if all_of_them]
        return sum(shares) / len(shares)

    @property
    def most_frequent(self) -> float:
        """The accuracy of always predicting the most frequent label."""
        return max(sum(row) for row in self.confusion) / self.count

    @property
    def value(self) -> float:
        """What training minimises: nats per label."""
        return self.nats / self.count

    @property
    def error(self) -> float:
        """The share of labels that were predicted wrongly."""
        return 1 - self.accuracy

    def table(self) -> Table:
        """The share that was right, of all labels and as the mean over labels, beside the best constant answer."""
        shares = (self.accuracy, self.balanced, self.most_frequent)
        return Table(
            ("right", "mean over labels", "always the most frequent", "labels", "nats per label"),
            [(*map(percent, shares), f"{self.count:,}", f"{self.value:.4f}")],
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)

    def lines(self, model: SequenceModel) -> list[str]:
        """The score of `model` in words.

        >>> score = LabelScore(nats=2.0, labels=("a", "b"), confusion=((3, 1), (0, 4)))
        >>> import carousel
        >>> score.lines(carousel.SequenceModel())[0][:28]
        '87.5 % of 8 labels right, 87'
        """
        return [
            f"{100 * self.accuracy:.1f} % of {self.count:,} labels right, {100 * self.balanced:.1f} % in the mean "
            f"over labels, {self.value:.4f} nats per label; always the most frequent one: "
            f"{100 * self.most_frequent:.1f} %"
        ]

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.1f} % right"


@dataclass(frozen=True)
class ForecastScore(Shown):
    """The errors of forecasts, in the units of the data.

    nats: the sum of the loss. names: of the series. Each other field has a row for each series and a column for each of
    1 ... H steps ahead. counts: the number of forecasts. absolute, squared: the sums of |error| and error^2. naive: the
    sum of |error| of the seasonal-naive forecast. covered: the number of values within their interval. width: the sum
    of the widths of the intervals.

    >>> import carousel
    >>> once = ForecastScore(2.0, ("x",), ((1,),), ((3.0,),), ((9.0,),), ((4.0,),), ((1,),), ((9.0,),))
    >>> print(*once.lines(carousel.SequenceModel(head="forecast")), sep="\\n")
    0.750 of the seasonal-naive forecast's error, 100.0 % of 1 values within the 90 % interval
      x: mean absolute error 3, seasonal-naive 4; root mean square 3
    """

    nats: float
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    absolute: tuple[tuple[float, ...], ...]
    squared: tuple[tuple[float, ...], ...]
    naive: tuple[tuple[float, ...], ...]
    covered: tuple[tuple[int, ...], ...]
    width: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        tables = (self.counts, self.absolute, self.squared, self.naive, self.covered, self.width)
        shapes = {tuple(map(len, table)) for table in tables}
        if len(shapes) > 1 or {len(table) for table in tables} != {len(self.names)} or not self.names:
            raise CarouselError(
                "score: every table must have a row for each series and a column for each step ahead."
            )
        if any(min(row, default=0) < 0 or not sum(row) for row in self.counts):
            raise CarouselError("score: each series must have been forecast at least once.")

    @property
    def count(self) -> int:
        """The number of forecast values, over all series and steps ahead."""
        return sum(map(sum, self.counts))

    @property
    def value(self) -> float:
        """What training minimises: nats per forecast value."""
        return self.nats / self.count

    @property
    def error(self) -> float:
        """The mean absolute error divided by that of the seasonal-naive forecast, as the mean over series."""
        pairs = list(zip(self.mean_absolute, self.mean_naive, strict=True))
        return sum(own / naive if naive else float("inf") for own, naive in pairs) / len(pairs)

    @property
    def mean_absolute(self) -> list[float]:
        """The mean absolute error of each series."""
        return self._means(self.absolute)

    @property
    def mean_naive(self) -> list[float]:
        """The mean absolute error of the seasonal-naive forecast for each series."""
        return self._means(self.naive)

    @property
    def root_mean_square(self) -> list[float]:
        """The root mean square error of each series."""
        return [mean**0.5 for mean in self._means(self.squared)]

    @property
    def coverage(self) -> float:
        """The share of values within their interval."""
        return sum(map(sum, self.covered)) / self.count

    def table(self) -> Table:
        """The errors of each series beside those of the seasonal-naive forecast."""
        columns = (self.mean_absolute, self.mean_naive, self.root_mean_square)
        figures = zip(self.names, *columns, map(sum, self.counts), strict=True)
        return Table(
            ("series", "mean absolute error", "seasonal-naive", "root mean square", "values"),
            [(name, *(f"{each:.4g}" for each in errors), f"{number:,}") for name, *errors, number in figures],
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)

    def lines(self, model: SequenceModel) -> list[str]:
        """The score of `model` in words."""
        figures = zip(self.names, self.mean_absolute, self.root_mean_square, self.mean_naive, strict=True)
        return [
            f"{self.error:.3f} of the seasonal-naive forecast's error, {100 * self.coverage:.1f} % of {self.count:,} "
            f"values within the {100 * model.head.interval:g} % interval"
        ] + [
            f"  {name}: mean absolute error {absolute:.4g}, seasonal-naive {naive:.4g}; root mean square {square:.4g}"
            for name, absolute, square, naive in figures
        ]

    def __str__(self) -> str:
        return f"error {self.error:.3f} of seasonal-naive"

    def _means(self, sums: tuple[tuple[float, ...], ...]) -> list[float]:
        return [sum(row) / sum(count) for row, count in zip(sums, self.counts, strict=True)]


SCORES: dict[str, type[LabelScore] | type[ForecastScore]] = {  # by task
    "tag": LabelScore,
    "classify": LabelScore,
    "forecast": ForecastScore,
}
