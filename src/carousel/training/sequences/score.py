"""How good a model of sequences is: labels that are right, or how far forecasts are from what came."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from carousel.errors import CarouselError
from carousel.plain import typed
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
    """How many labels of how many were right.

    confusion: of labels that are row, how many were called column, in the order of `labels`.

    >>> score = LabelScore(nats=2.0, labels=("a", "b"), confusion=((3, 1), (0, 4)))
    >>> score.accuracy, score.value
    (0.875, 0.25)
    """

    nats: float
    labels: tuple[Any, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        return sum(sum(row) for row in self.confusion)

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return sum(self.confusion[k][k] for k in range(len(self.labels))) / self.count

    @property
    def balanced(self) -> float:
        """The mean over labels of the share that was right: guessing the most frequent one does not help."""
        rows = [(row[k], sum(row)) for k, row in enumerate(self.confusion)]
        shares = [right / all_of_them for right, all_of_them in rows if all_of_them]
        return sum(shares) / len(shares)

    @property
    def most_frequent(self) -> float:
        """The share that the best of all constant answers would have right."""
        return max(sum(row) for row in self.confusion) / self.count

    @property
    def value(self) -> float:
        """What training makes small: nats for each label."""
        return self.nats / self.count

    @property
    def error(self) -> float:
        """The share that was wrong."""
        return 1 - self.accuracy

    def table(self) -> Table:
        """The share that was right, of all labels and as the mean over labels, beside the best constant answer."""
        shares = (self.accuracy, self.balanced, self.most_frequent)
        return Table(
            ("right", "mean over labels", "always the most frequent", "labels", "nats per label"),
            [(*map(percent, shares), f"{self.count:,}", f"{self.value:.4f}")],
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, counts: dict[str, Any]) -> Self:
        """The score that `to_dict` wrote."""
        score = typed(cls, counts, "score")
        square = {len(score.labels)} == {len(score.confusion), *map(len, score.confusion)}
        if not square or min(map(min, score.confusion)) < 0 or not score.count:
            raise CarouselError("score: confusion must count, for each label, what it was called")
        return score

    def lines(self, model: SequenceModel) -> list[str]:
        """What it says of a model, for people to read."""
        return [
            f"{100 * self.accuracy:.1f} % of {self.count:,} labels right, {100 * self.balanced:.1f} % in the mean "
            f"over labels, {self.value:.4f} nats per label; always the most frequent one: "
            f"{100 * self.most_frequent:.1f} %"
        ]

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.1f} % right"


@dataclass(frozen=True)
class ForecastScore(Shown):
    """How far forecasts are from what came, in the units of the data: for each series one entry, for each step ahead.

    counts, absolute, squared, naive, covered, width: sums over forecasts, of |error|, error^2, |error| of the
    seasonal-naive forecast, of those within their interval, and of its width; each a tuple over series of tuples over
    1 ... H steps ahead. nats: the sum of the loss.
    """

    nats: float
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    absolute: tuple[tuple[float, ...], ...]
    squared: tuple[tuple[float, ...], ...]
    naive: tuple[tuple[float, ...], ...]
    covered: tuple[tuple[int, ...], ...]
    width: tuple[tuple[float, ...], ...]

    @property
    def count(self) -> int:
        """How many values were forecast, over all series and steps ahead."""
        return sum(map(sum, self.counts))

    @property
    def value(self) -> float:
        """What training makes small: nats for each value that was forecast."""
        return self.nats / self.count

    @property
    def error(self) -> float:
        """The mean absolute error as a share of that of the seasonal-naive forecast; the mean over series."""
        pairs = list(zip(self.mean_absolute, self.mean_naive, strict=True))
        return sum(own / naive if naive else float("inf") for own, naive in pairs) / len(pairs)

    @property
    def mean_absolute(self) -> list[float]:
        """The mean absolute error of each series."""
        return self._means(self.absolute)

    @property
    def mean_naive(self) -> list[float]:
        """That of the seasonal-naive forecast."""
        return self._means(self.naive)

    @property
    def root_mean_square(self) -> list[float]:
        """The root of the mean squared error of each series."""
        return [mean**0.5 for mean in self._means(self.squared)]

    @property
    def coverage(self) -> float:
        """The share of values that lay within their interval."""
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
        """All of it, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, counts: dict[str, Any]) -> Self:
        """The score that `to_dict` wrote."""
        score = typed(cls, counts, "score")
        tables = (score.counts, score.absolute, score.squared, score.naive, score.covered, score.width)
        shapes = {tuple(map(len, table)) for table in tables}
        if len(shapes) > 1 or {len(table) for table in tables} != {len(score.names)} or not score.names:
            raise CarouselError(
                "score: every table must have a row for each series, and a place for each step ahead"
            )
        if any(min(row, default=0) < 0 or not sum(row) for row in score.counts):
            raise CarouselError("score: each series must have been forecast at least once")
        return score

    def lines(self, model: SequenceModel) -> list[str]:
        """What it says of a model, for people to read."""
        figures = zip(self.names, self.mean_absolute, self.root_mean_square, self.mean_naive, strict=True)
        return [
            f"{self.error:.3f} of the seasonal-naive forecast's error, {100 * self.coverage:.1f} % of {self.count:,} "
            f"values within the {100 * model.forecast.interval:g} % interval"
        ] + [
            f"  {name}: mean absolute error {absolute:.4g}, seasonal-naive {naive:.4g}; root mean square {square:.4g}"
            for name, absolute, square, naive in figures
        ]

    def __str__(self) -> str:
        return f"error {self.error:.3f} of seasonal-naive"

    def _means(self, sums: tuple[tuple[float, ...], ...]) -> list[float]:
        return [sum(row) / sum(count) for row, count in zip(sums, self.counts, strict=True)]


SCORES: dict[str, type[LabelScore] | type[ForecastScore]] = {
    "tag": LabelScore,
    "classify": LabelScore,
    "forecast": ForecastScore,
}
