"""What comes next as what is to be learned, at every step; scores by forecasts that roll through held-out time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carousel.data.sequences import Encoding, Sequences, Span, filled
from carousel.errors import CarouselError
from carousel.losses import gaussian
from carousel.models.sequences.heads import Forecast
from carousel.models.sequences.model import SequenceModel, padded
from carousel.models.sequences.predictions import forecasts, quantile
from carousel.training.sequences.score import ForecastScore
from carousel.training.sequences.windows import Piece


class ForecastAim:
    """The normal density of the next H values at each step; one that is missing, or held out, is not counted."""

    def __init__(
        self,
        sequences: Sequences,
        head: Forecast,
        encoding: Encoding,
        encoded: list[np.ndarray],
        train: list[Span],
    ) -> None:
        """Raises CarouselError for a series that is too short for its season and horizon."""
        self.head, self.encoding, self.targets = head, encoding, sequences.targets
        self.lead = head.season
        self._encoded = encoded
        self._raw = [item.numbers[:, : self.targets] for item in sequences.items]
        self._scaled = [encoding.scaled(item)[:, : self.targets] for item in sequences.items]
        self._weights = [item.weights for item in sequences.items]
        self._stops = {span.sequence: span.stop for span in train}
        for span in train:
            _check_length(sequences, span, head)

    def uncut(self) -> bool:
        """Long series are cut into windows."""
        return False

    def batch(self, pieces: list[Piece]) -> tuple[Tensor, ...]:
        """x (T, B, I), lengths (B,), targets (T, B, H, K), NaN where none counts, and weights (T, B)."""
        x, lengths = padded([self._encoded[p.sequence][p.start : p.stop] for p in pieces])
        targets = torch.full((*x.shape[:2], self.head.horizon, self.targets), math.nan)
        weights = torch.ones(x.shape[:2])
        for k, p in enumerate(pieces):
            origins = range(p.first, p.stop)
            ahead = self._ahead(self._scaled[p.sequence], origins, 0, self._stops[p.sequence])
            targets[p.first - p.start : p.stop - p.start, k] = torch.from_numpy(ahead).float()
            if (own := self._weights[p.sequence]) is not None:
                weights[: p.stop - p.start, k] = torch.from_numpy(own[p.start : p.stop]).float()
        return x, lengths, targets, weights

    def loss(self, model: Any, window: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
        """The objective of the loop."""
        x, lengths, targets, weights = window
        return density(
            model(x, lengths.cpu()), targets, weights=weights[..., None, None].expand_as(targets)
        ), None

    def score(self, model: SequenceModel, spans: list[Span]) -> ForecastScore:
        """Forecasts from the step before each span, and from each step within it, of all that lies within it."""
        sums = np.zeros((6, self.targets, self.head.horizon))
        nats = 0.0
        for span, said in self._said(model, spans):
            origins = range(span.first - 1, span.stop - 1)
            came = self._ahead(self._raw[span.sequence], origins, span.first, span.stop)  # (N, H, K)
            scaled = self._ahead(self._scaled[span.sequence], origins, span.first, span.stop)
            nats += float(density(torch.from_numpy(said).double(), torch.from_numpy(scaled), reduction="sum"))
            found = forecasts(said, self.encoding, self.head, self.targets, model.widening)
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
        """Raise CarouselError if one of the series has no value in these spans to be judged by."""
        values = np.concatenate([self._raw[span.sequence][span.first : span.stop] for span in spans])
        for known, column in zip(~np.isnan(values).all(axis=0), self.encoding.numbers, strict=False):
            if not known:
                raise CarouselError(
                    f"{part} has no value of the column {column.name!r}, and so nothing to be judged by. Leave that "
                    "column or those rows out, or give larger shares."
                )

    def is_guess(self, score: ForecastScore) -> bool:
        """Training begins at the seasonal-naive forecast, so that the first weights are always worth a look."""
        return True

    def widening(self, model: SequenceModel, spans: list[Span]) -> float:
        """What intervals must be stretched by to hold their share of these spans.

        (Split conformal prediction by residuals in units of the forecast's own deviation: Lei et al. 2018.)
        """
        ratios = []
        for span, said in self._said(model, spans):
            scaled = self._ahead(
                self._scaled[span.sequence], range(span.first - 1, span.stop - 1), span.first, span.stop
            )
            ratio = np.abs(scaled - said[..., 0]) / np.exp(said[..., 1])
            ratios.append(ratio[~np.isnan(ratio)])
        found = np.sort(np.concatenate(ratios))
        rank = math.ceil((len(found) + 1) * self.head.interval)
        return float(found[min(rank, len(found)) - 1]) / quantile(self.head.interval)

    def track(
        self, model: SequenceModel, span: Span, ahead: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Over a span what came, (T, K), its forecast `ahead` steps before: middle, low, high, and the naive one."""
        origins = range(span.first - ahead, span.stop - ahead)
        [said] = list(model.say([self._encoded[span.sequence][: span.stop]]))
        found = forecasts(
            said[origins.start : origins.stop], self.encoding, self.head, self.targets, model.widening
        )
        naive = self._naive(span.sequence, origins)
        at = ahead - 1
        came = self._raw[span.sequence][span.first : span.stop]
        return came, found.middle[:, at], found.low[:, at], found.high[:, at], naive[:, at]

    def _said(self, model: SequenceModel, spans: list[Span]) -> Any:
        """(span, what was said at each of its origins (N, H, K, 2))."""
        said = model.say([self._encoded[span.sequence][: span.stop] for span in spans])
        for span, each in zip(spans, said, strict=True):
            yield span, each[span.first - 1 : span.stop - 1]

    def _ahead(self, values: np.ndarray, origins: range, first: int, stop: int) -> np.ndarray:
        """Of each origin the H values that follow, (N, H, K); NaN for those not from `first` to `stop`."""
        at = np.array(origins)[:, None] + np.arange(1, self.head.horizon + 1)
        inside = (at >= first) & (at < stop)
        found = values[np.where(inside, at, 0)]
        return np.where(inside[..., None], found, math.nan)

    def _naive(self, sequence: int, origins: range) -> np.ndarray:
        """The forecast of the last season, (N, H, K): what was at the same place of the season that was seen last."""
        ahead = np.arange(1, self.head.horizon + 1)
        ago = -ahead % self.head.season
        return filled(self._raw[sequence])[np.array(origins)[:, None] - ago]


def density(said: Tensor, targets: Tensor, **options: Any) -> Tensor:
    """The loss of (..., H, K, 2) at targets (..., H, K), over those that are not NaN."""
    mask = ~targets.isnan()
    columns = [each[..., None] for each in (said[..., 0], said[..., 1], targets.nan_to_num())]
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
