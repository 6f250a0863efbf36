"""The objective of a forecast: the next values at every step; scores roll through held-out time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carousel.data.sequences import Example, Sequences, Span, filled
from carousel.errors import CarouselError
from carousel.losses import gaussian
from carousel.models.sequences.heads import Forecast
from carousel.models.sequences.model import SequenceModel, padded
from carousel.models.sequences.predictions import quantile
from carousel.training.sequences.objective import Objective, Track
from carousel.training.sequences.score import ForecastScore
from carousel.training.sequences.windows import Window


class ForecastObjective(Objective):
    """The normal density of the next H values at each step; missing and held-out values do not count."""

    head: Forecast

    def _prepare(self, sequences: Sequences, train: list[Span]) -> None:
        self.targets, self.lead = sequences.targets, self.head.season
        self._raw = [item.numbers[:, : self.targets] for item in sequences.items]
        self._scaled = [self.encoding.scaled(item)[:, : self.targets] for item in sequences.items]
        self._weights = [item.weights for item in sequences.items]
        self._stops = {span.sequence: span.stop for span in train}
        for span in train:
            _check_length(sequences, span, self.head)

    def batch(self, windows: list[Window]) -> tuple[Tensor, ...]:
        """x (T, B, I), lengths (B,), targets (T, B, H, K), NaN where none counts, and weights (T, B)."""
        x, lengths = padded([self._encoded[p.sequence][p.start : p.stop] for p in windows])
        targets = torch.full((*x.shape[:2], self.head.horizon, self.targets), math.nan)
        weights = torch.ones(x.shape[:2])
        for k, p in enumerate(windows):
            origins = range(p.first, p.stop)
            ahead = self._ahead(self._scaled[p.sequence], origins, 0, self._stops[p.sequence])
            targets[p.first - p.start : p.stop - p.start, k] = torch.from_numpy(ahead).float()
            if (own := self._weights[p.sequence]) is not None:
                weights[: p.stop - p.start, k] = torch.from_numpy(own[p.start : p.stop]).float()
        return x, lengths, targets, weights

    def loss(self, model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
        x, lengths, targets, weights = window
        return negative_log_density(
            model(x, lengths.cpu()), targets, weights=weights[..., None, None].expand_as(targets)
        ), None

    def score(self, model: SequenceModel, spans: list[Span]) -> ForecastScore:
        """Forecasts of the values within each span, from the step before the span and from each step within."""
        sums = np.zeros((6, self.targets, self.head.horizon))
        nats = 0.0
        for span, output in self._outputs(model, spans):
            origins = range(span.first - 1, span.stop - 1)
            came = self._ahead(self._raw[span.sequence], origins, span.first, span.stop)  # (N, H, K)
            scaled = self._ahead(self._scaled[span.sequence], origins, span.first, span.stop)
            nats += float(
                negative_log_density(
                    torch.from_numpy(output).double(), torch.from_numpy(scaled), reduction="sum"
                )
            )
            found = model.out.in_units_of_data(output, model)
            error = np.abs(found.middle - came)
            naive = np.abs(self._naive(span.sequence, origins) - came)
            inside = (found.low <= came) & (came <= found.high)
            known = ~np.isnan(came)
            rows = (known, error, error**2, naive, inside, found.high - found.low)
            for k, row in enumerate(rows):
                sums[k] += np.where(known, row, 0).sum(axis=0).T
        names = tuple(each.name for each in self.encoding.numbers[: self.targets])
        counts, absolute, squared, naive_, covered, width = (
            tuple(map(tuple, each.tolist())) for each in sums
        )
        whole = [tuple(tuple(map(int, row)) for row in each) for each in (counts, covered)]
        return ForecastScore(nats, names, whole[0], absolute, squared, naive_, whole[1], width)

    def check(self, spans: list[Span], part: str) -> None:
        values = np.concatenate([self._raw[span.sequence][span.first : span.stop] for span in spans])
        for known, column in zip(~np.isnan(values).all(axis=0), self.encoding.numbers, strict=False):
            if not known:
                raise CarouselError(
                    f"{part} has no value of the column {column.name!r}, and so nothing to be judged by. Leave that "
                    "column or those rows out, or give larger shares."
                )

    def is_guess(self, score: ForecastScore) -> bool:
        """Training begins at the seasonal-naive forecast, so the first weights may be the better ones."""
        return True

    def calibrate(self, model: SequenceModel, spans: list[Span]) -> bool:
        """Stretch the intervals of the model until they hold their share of the values in these spans.

        (Split conformal prediction, with residuals in units of the predicted deviation: Lei et al. 2018.)
        """
        ratios = []
        for span, output in self._outputs(model, spans):
            scaled = self._ahead(
                self._scaled[span.sequence], range(span.first - 1, span.stop - 1), span.first, span.stop
            )
            ratio = np.abs(scaled - output[..., 0]) / np.exp(output[..., 1])
            ratios.append(ratio[~np.isnan(ratio)])
        found = np.sort(np.concatenate(ratios))
        rank = math.ceil((len(found) + 1) * self.head.interval)
        model.widening = float(found[min(rank, len(found)) - 1]) / quantile(self.head.interval)
        return True

    def baseline(self, train: list[Span], spans: list[Span]) -> tuple[str, float]:
        """The seasonal-naive forecast, whose error is the unit of all errors."""
        return "the seasonal-naive forecast", 1.0

    def tracks(self, model: SequenceModel, span: Span) -> list[Track]:
        """The first series over a span, forecast one step ahead and the whole horizon ahead."""
        name = self.encoding.numbers[0].name
        came = self._raw[span.sequence][span.first : span.stop, 0]
        [output] = list(model.outputs([self._encoded[span.sequence][: span.stop]]))
        tracks = []
        for ahead in sorted({1, self.head.horizon}):
            found = model.out.in_units_of_data(output[span.first - ahead : span.stop - ahead], model)
            bounds = (each[:, ahead - 1, 0] for each in (found.middle, found.low, found.high))
            tracks.append(Track(name, ahead, came, *bounds))
        return tracks

    @staticmethod
    def final_words(head: Any) -> str:
        what = "value that follows" if head.horizon == 1 else f"{head.horizon} values that follow"
        return f"minus the log density, in nats, that was given to the {what} each sequence"

    @staticmethod
    def final_loss(output: Tensor, targets: Tensor) -> Tensor:
        return negative_log_density(output, targets.to(output.dtype), reduction="sum")

    @staticmethod
    def final_target(model: SequenceModel, item: Example, stop: int) -> tuple[int, Tensor]:
        """The last step after which all values of the horizon are there, and these values."""
        horizon = model.head.horizon
        end = min(stop, max(stop - horizon, 2))
        ahead = torch.from_numpy(model.fitted_encoding.scaled(item)[end:stop, : model.targets])
        target = torch.full((horizon, model.targets), math.nan, dtype=torch.float64)
        target[: len(ahead)] = ahead
        return end, target

    @staticmethod
    def known(targets: Tensor) -> Tensor:
        return ~targets.isnan()

    def _outputs(self, model: SequenceModel, spans: list[Span]) -> Any:
        """(span, the output at each of its origins (N, H, K, 2))."""
        outputs = model.outputs([self._encoded[span.sequence][: span.stop] for span in spans])
        for span, each in zip(spans, outputs, strict=True):
            yield span, each[span.first - 1 : span.stop - 1]

    def _ahead(self, values: np.ndarray, origins: range, first: int, stop: int) -> np.ndarray:
        """The H values that follow each origin, (N, H, K); NaN for values outside `first` to `stop`."""
        at = np.array(origins)[:, None] + np.arange(1, self.head.horizon + 1)
        inside = (at >= first) & (at < stop)
        found = values[np.where(inside, at, 0)]
        return np.where(inside[..., None], found, math.nan)

    def _naive(self, sequence: int, origins: range) -> np.ndarray:
        """The seasonal-naive forecast, (N, H, K): the values at the same place of the last season."""
        ahead = np.arange(1, self.head.horizon + 1)
        ago = -ahead % self.head.season
        return filled(self._raw[sequence])[np.array(origins)[:, None] - ago]


def negative_log_density(output: Tensor, targets: Tensor, **options: Any) -> Tensor:
    """The loss of (..., H, K, 2) at targets (..., H, K), over those that are not NaN."""
    mask = ~targets.isnan()
    columns = [each[..., None] for each in (output[..., 0], output[..., 1], targets.nan_to_num())]
    return gaussian(*columns, mask=mask, **options)


def _check_length(sequences: Sequences, span: Span, head: Forecast) -> None:
    item = sequences.items[span.sequence]
    needed = head.season + head.horizon + 1
    if span.stop - span.first < needed:
        name = f"the sequence {item.name!r} of {sequences.source}" if item.name else sequences.source
        raise CarouselError(
            f"{name} has too few rows: {len(item)}, of which {span.stop - span.first} are to learn from, but a "
            f"forecast {head.horizon} ahead with a season of {head.season} needs at least {needed}. Give more rows, "
            "a shorter horizon or season, or smaller shares for valid and test."
        )
