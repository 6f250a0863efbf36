"""A cheap measurement of a network while it trains, a look: total norm, gradient by lag, saturation, horizon, warnings.

A look runs the model once on the batch of this step, sends the gradient of the last output back through two sequences
and reads off a few numbers. Looks are `every` steps apart, and further if they would take more than their share of the
time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.observation.trajectory import Trajectory, observe
from carousel.diagnosis.usage.training import as_optimizers, check_training
from carousel.diagnosis.verdicts.symptoms import saturated_share, slope
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.errors import CarouselError

EVERY = 100  # steps from one look to the next, at least
SHARE = 0.02  # of the time of training that looks may take
INSTANCES = 2  # sequences that are followed
LAGS = (1, 2, 5, 10, 20, 50, 100, 200)  # at which the gradient is reported
LEFT = math.log(0.01)  # of the gradient: what counts as gone
CONFIRMED = 2  # looks in a row that must agree before a warning


@dataclass(frozen=True, repr=False)
class Look(Brief):
    """One measurement; the gradient is that of the last output, in natural logarithms, relative to its size there.

    Attributes:
        step: of training.
        total_norm: of the gradient of all parameters at that step, before clipping; NaN if it was not given.
        by_lag: layer -> lag -> ln of what is left of the gradient.
        horizon: layer -> the last lag at which at least 1 % is left.
        saturated: layer -> share of activations that pass less than 1 % of their steepest slope.
        warnings: what has become bad since the look before, in words.
    """

    step: int
    total_norm: float
    by_lag: dict[str, dict[int, float]]
    horizon: dict[str, int]
    saturated: dict[str, float]
    warnings: tuple[str, ...] = ()

    def scalars(self) -> dict[str, float]:
        """Every number by a name for TensorBoard: diagnosis/horizon/LSTM.l0; gradients as powers of ten."""
        found = {} if math.isnan(self.total_norm) else {"diagnosis/total norm": self.total_norm}
        for layer, lags in self.by_lag.items():
            found |= {f"diagnosis/gradient at lag {k}/{layer}": v / math.log(10) for k, v in lags.items()}
        found |= {f"diagnosis/horizon/{layer}": float(value) for layer, value in self.horizon.items()}
        found |= {f"diagnosis/saturated/{layer}": value for layer, value in self.saturated.items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}


@dataclass
class Monitor:
    """Decides when to measure a model that is training, measures it, and warns once of each trouble.

    Args:
        every: steps between two looks, at least.
        share: the largest share of the training time that looks may take.
        spent: seconds that all looks have taken.
        sick: trouble -> in how many looks in a row it was seen; a warning comes at the second.

    >>> import torch
    >>> monitor = Monitor(every=10)
    >>> model, batch = torch.nn.LSTM(3, 8), torch.randn(20, 4, 3)
    >>> monitor.is_due(step=3), monitor.is_due(step=10)
    (False, True)
    >>> look = monitor.look(model, batch, step=10)
    >>> sorted(look.saturated), look.by_lag["LSTM.l0"][10] < 0
    (['LSTM.l0'], True)
    """

    every: int = EVERY
    share: float = SHARE
    spent: float = 0.0
    sick: dict[str, int] = field(default_factory=dict, repr=False)
    _next: int = field(default=-1, repr=False)
    _ended: float = field(default=0.0, repr=False)
    _cost: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 < self.share <= 1:
            raise CarouselError(
                f"`every` must be at least 1 step, and `share` above 0 and at most 1; got every={self.every} and "
                f"share={self.share}. Monitor() uses {EVERY} and {SHARE}."
            )

    def is_due(self, step: int) -> bool:
        """Whether to look after `step`: enough steps have passed, and enough time for the cost of a look."""
        if self._next < 0:
            self._next = -(-step // self.every) * self.every
        rested = time.perf_counter() - self._ended >= self._cost * (1 / self.share - 1)
        return step >= self._next and rested

    def look(
        self,
        model: nn.Module,
        batch: Batch,
        *,
        step: int,
        total_norm: float = math.nan,
        loss: Loss | None = None,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
    ) -> Look:
        """Measure now; the model, its gradients and random numbers do not change.

        Args:
            model, batch, loss, optimizer: as of `carousel.diagnose`. With loss and optimizer, the look also checks
                which parameters the optimizer moves, whether gradients add up, and the learning rate, on copies.
            step: of training.
            total_norm: the norm of the gradient of all parameters, before clipping; NaN if it is not known.

        Raises CarouselError as `observe` does.
        """
        begin = time.perf_counter()
        seen = observe(model, batch, loss, instances=INSTANCES, dtype=torch.float32)
        by_lag = {each.layer.name: _by_lag(each) for each in seen.trajectories}
        saturated = {each.layer.name: saturated_share(each) for each in seen.trajectories}
        in_training = {}
        if loss is not None and (optimizers := as_optimizers(optimizer)):
            causes = check_training(model, batch, loss, optimizers)
            in_training = {
                each.name: f"{each.sentence} {_capital(each.remedies[0].words)}" for each in causes
            }
        found = Look(
            step=step,
            total_norm=total_norm,
            by_lag={name: {k: curve[k] for k in LAGS if k < len(curve)} for name, curve in by_lag.items()},
            horizon={name: _horizon(curve) for name, curve in by_lag.items()},
            saturated=saturated,
            warnings=tuple(self._turned(_in_layers(by_lag, saturated) | in_training)),
        )
        self._ended = time.perf_counter()
        self._cost = self._ended - begin
        self.spent += self._cost
        self._next = step + self.every
        return found

    def _turned(self, now: dict[str, str]) -> list[str]:
        """Warnings for what has now been sick for `CONFIRMED` looks, once each."""
        self.sick = {kind: self.sick.get(kind, 0) + 1 for kind in now}
        return [f"{words}." for kind, words in now.items() if self.sick[kind] == CONFIRMED]


def _in_layers(by_lag: dict[str, list[float]], saturated: dict[str, float]) -> dict[str, str]:
    """What is wrong in layers now, by kind, in words."""
    now = {}
    for name, curve in by_lag.items():
        steps = len(curve) - 1
        grown = max(curve)
        # not how low it lies: what the loss reads at first may fade at once, and the rest be kept for long
        if steps >= THRESHOLDS.steps and slope(np.array(curve)) < THRESHOLDS.vanishing:
            now[f"{name}: its gradient vanishes"] = (
                f"{name}: 1 % of the gradient is left after {_horizon(curve) + 1} of {steps} steps back. "
                "A gated cell, an orthogonal start or an open forget gate keeps more"
            )
        if grown > THRESHOLDS.transient:
            now[f"{name}: its gradient explodes"] = (
                f"{name}: the gradient grows by a factor 1e{grown / math.log(10):.0f} on its way back. "
                "Lower the learning rate, clip the gradient, or shrink the recurrent weights"
            )
        if saturated[name] > THRESHOLDS.saturated:
            now[f"{name}: its activations are saturated"] = (
                f"{name}: {saturated[name]:.0%} of its activations pass no gradient any more. Lower the learning "
                "rate, or scale the data"
            )
    return now


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def total_norm(model: nn.Module) -> float:
    """The norm of the gradients that the parameters hold now, as one vector; NaN if there are none."""
    norms = [p.grad.detach().norm() for p in model.parameters() if p.grad is not None]
    return float(torch.stack(norms).norm()) if norms else math.nan


def _by_lag(trajectory: Trajectory) -> list[float]:
    """ln of ||dL/ds_{T-k}|| against k = 0, the median over sequences of the full length, k = 0..T."""
    gradient = trajectory.gradient
    if gradient is None:
        return [0.0]
    longest = trajectory.lengths == trajectory.steps
    log = gradient.log[:, longest].flip(0)  # (T + 1, B)
    relative = (log - log[0]).nan_to_num(nan=-math.inf)
    values: Tensor = relative.median(dim=1).values
    return [float(value) for value in values]


def _horizon(curve: list[float]) -> int:
    above = np.flatnonzero(np.array(curve) >= LEFT)
    return int(above[-1]) if above.size else 0
