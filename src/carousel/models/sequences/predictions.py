"""A forecast in the units of the data: for each future value the median and the bounds of an interval."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from carousel.data.sequences import Encoding


@dataclass(frozen=True, eq=False)
class Prediction:
    """The next H values of K series, in the units of the data."""

    middle: np.ndarray  # (H, K), the medians
    low: np.ndarray  # (H, K), the lower bounds of the intervals
    high: np.ndarray  # (H, K), the upper bounds


def forecasts(
    output: np.ndarray, encoding: Encoding, interval: float, targets: int, widening: float
) -> Prediction:
    """The output of the model, (..., H, K, 2), in the units of the data."""
    middle, deviation = output[..., 0].astype(np.float64), np.exp(output[..., 1].astype(np.float64))
    reach = widening * quantile(interval) * deviation
    columns = encoding.numbers[:targets]

    def unscaled(values: np.ndarray) -> np.ndarray:
        return np.stack([column.back(values[..., k]) for k, column in enumerate(columns)], axis=-1)

    return Prediction(unscaled(middle), unscaled(middle - reach), unscaled(middle + reach))


def quantile(interval: float) -> float:
    """The number of deviations around the mean of a normal distribution that hold the share `interval`."""
    return NormalDist().inv_cdf(0.5 + interval / 2)
