"""The output layers of sequence models: from hidden values at each step to logits, or to a distribution.

Each layer also knows what its outputs mean: what a model predicts from them, and how a table shows the predictions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from carousel.data.sequences import Encoding, Sequences
from carousel.errors import CarouselError
from carousel.models.sequences.heads import Forecast, Head
from carousel.models.sequences.predictions import Prediction, forecasts

LEAST_LOG_DEVIATION = -7.0  # of scaled values: a forecast surer than that is an overflow, not knowledge


class Model(Protocol):
    """What an output layer needs of the model that it belongs to."""

    labels: list[Any]
    widening: float

    @property
    def fitted_encoding(self) -> Encoding: ...
    def predict(self, data: Any) -> Any: ...
    def probabilities(self, data: Any) -> Any: ...


class Logits(nn.Linear, ABC):
    """Logits of V labels; what the recurrent layers read is given as it is."""

    def __init__(self, features: int, head: Head, labels: int, targets: int) -> None:
        super().__init__(features, labels)

    @staticmethod
    def fits(columns: int, targets: int, labels: int) -> bool:
        """Whether a model may have so many columns, targets and labels."""
        return targets == 0 < labels

    @staticmethod
    def input_width(encoded: int, targets: int) -> int:
        """How many numbers `inputs` returns for each step of `encoded` numbers."""
        return encoded

    def inputs(self, x: Tensor) -> Tensor:
        """What the recurrent layers read, of x (T, B, I)."""
        return x

    def check_lengths(self, sequences: Sequences) -> None:
        """A label is predicted for sequences of any length."""

    @abstractmethod
    def prediction(self, output: np.ndarray, model: Model) -> Any:
        """What `SequenceModel.predict` returns for one sequence, from the output of the model."""

    def probabilities(self, each: Iterable[np.ndarray]) -> Any:
        """What `SequenceModel.probabilities` returns, from the logits of each sequence."""
        return [torch.from_numpy(logits).softmax(dim=-1).numpy() for logits in each]

    @abstractmethod
    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        """What `SequenceModel.table` yields: the names of the columns, then the rows."""


class StepLogits(Logits):
    """Logits at each step: hidden (T, B, F) -> (T, B, V)."""

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:  # type: ignore[override]
        return super().forward(hidden)

    def prediction(self, output: np.ndarray, model: Model) -> list[Any]:
        return [model.labels[best] for best in output.argmax(axis=-1).tolist()]

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        yield ("sequence", "step", "label", "probability")
        for item, rows in zip(sequences.items, model.probabilities(sequences), strict=True):
            for step, row in enumerate(rows, 1):
                yield (item.name, step, model.labels[int(row.argmax())], f"{row.max():.4f}")


class SequenceLogits(Logits):
    """Logits of a whole sequence, from the mean of its hidden values over time: (T, B, F) -> (B, V)."""

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:  # type: ignore[override]
        if lengths is None:
            return super().forward(hidden.mean(dim=0))
        counts = lengths.to(hidden.device)
        within = torch.arange(len(hidden), device=hidden.device)[:, None] < counts
        return super().forward((hidden * within[..., None]).sum(dim=0) / counts[:, None])

    def prediction(self, output: np.ndarray, model: Model) -> Any:
        return model.labels[int(output.argmax())]

    def probabilities(self, each: Iterable[np.ndarray]) -> np.ndarray:
        return np.stack(super().probabilities(each))

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        yield ("sequence", "label", "probability")
        for item, row in zip(sequences.items, model.probabilities(sequences), strict=True):
            yield (item.name, model.labels[int(row.argmax())], f"{row.max():.4f}")


class GaussianForecast(nn.Module):
    """A normal distribution for each of the next H values: mean and logarithm of the deviation, (T, B, H, K, 2).

    The mean is the sum of two parts. The first is a linear forecast from the last `season` values; before training
    this is the seasonal-naive forecast. The second is made of the hidden values and starts near 0. (LSTNet has such a
    linear part beside the recurrent one: Lai et al. 2018.) Both parts read the series relative to its last value, so
    the forecast may leave the range of values seen in training.
    """

    def __init__(self, features: int, head: Forecast, labels: int, targets: int) -> None:
        super().__init__()
        self.horizon, self.season, self.interval, self.targets = (
            head.horizon,
            head.season,
            head.interval,
            targets,
        )
        self.out = nn.Linear(features, head.horizon * targets * 2)
        self.past = nn.Parameter(seasonal_naive_weights(head.horizon, head.season).repeat(targets, 1, 1))
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()

    @staticmethod
    def fits(columns: int, targets: int, labels: int) -> bool:
        """As `Logits.fits`: a forecast has no labels."""
        return 0 < targets <= columns

    @staticmethod
    def input_width(encoded: int, targets: int) -> int:
        """As `Logits.input_width`."""
        return encoded + 2 * targets

    def inputs(self, x: Tensor) -> Tensor:
        """x with the change of each target since the last step and since the last season."""
        now = x[..., : self.targets]
        return torch.cat((x, change_since(now, 1), change_since(now, self.season)), dim=-1)

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:
        """hidden: (T, B, F). x: (T, B, I), the K targets first: as the network reads them, scaled."""
        now = x[..., : self.targets]
        # (T, B, K, S)
        changes = torch.stack([change_since(now, k) for k in range(1, self.season + 1)], dim=-1)
        linear = now[:, :, None] + torch.einsum("tbks,khs->tbhk", changes, self.past)
        out = self.out(hidden).unflatten(-1, (self.horizon, self.targets, 2))
        return torch.stack((linear + out[..., 0], out[..., 1].clamp(min=LEAST_LOG_DEVIATION)), dim=-1)

    def check_lengths(self, sequences: Sequences) -> None:
        """Raise CarouselError for a sequence that is too short to predict from."""
        needed = self.season + 1
        for item in sequences.items:
            if len(item) < needed:
                raise CarouselError(
                    f"a forecast reads at least one season and one step more, {needed} steps; the sequence "
                    f"{item.name!r} has {len(item)}. Give a longer one."
                )

    def in_units_of_data(self, output: np.ndarray, model: Model) -> Prediction:
        """Forecasts, (..., H, K, 2), in the units of the data."""
        return forecasts(output, model.fitted_encoding, self.interval, self.targets, model.widening)

    def prediction(self, output: np.ndarray, model: Model) -> Prediction:
        """The forecast that follows the last step."""
        return self.in_units_of_data(output[-1], model)

    def probabilities(self, each: Iterable[np.ndarray]) -> Any:
        """Raise CarouselError: there are none."""
        raise CarouselError(
            "a forecast has no labels, and so no probabilities; predict returns its intervals."
        )

    def table(self, model: Model, sequences: Sequences) -> Iterator[tuple[Any, ...]]:
        """As `Logits.table`."""
        yield ("sequence", "ahead", "column", "forecast", "low", "high")
        for item, found in zip(sequences.items, model.predict(sequences), strict=True):
            for ahead, values in enumerate(zip(found.middle, found.low, found.high, strict=True), 1):
                for column, *figures in zip(sequences.numbers, *values, strict=False):
                    yield (item.name, ahead, column, *(f"{figure:.6g}" for figure in figures))


def change_since(now: Tensor, steps: int) -> Tensor:
    """The values so many steps ago minus those now: (T, B, K); 0 where the sequence had not begun."""
    change = torch.zeros_like(now)
    if steps < len(now):
        change[steps:] = now[:-steps] - now[steps:]
    return change


def seasonal_naive_weights(horizon: int, season: int) -> Tensor:
    """(H, S): the weights that make the seasonal-naive forecast of the last season's changes.

    A weight is 1 at the same place in the season, and 0 elsewhere.
    """
    ago = -torch.arange(1, horizon + 1) % season  # steps before now at which the season was where it will be
    return (ago[:, None] == torch.arange(1, season + 1)).float()


OUTPUTS: dict[str, Any] = {
    "tag": StepLogits,
    "classify": SequenceLogits,
    "forecast": GaussianForecast,
}  # by task
