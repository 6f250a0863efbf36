"""The tangent maps along a trajectory, counted back from the end of each sequence, and the norms of their products.

G_k = J_T J_{T-1} ... J_{T-k+1} carries a small change of s_{T-k} to s_T. It is never formed as plain numbers: rows are
carried back with a logarithm each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.diagnosis.observation.log_scaled import LogScaled, finite
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.progress import Observer, Progress, silent


@dataclass(eq=False)
class JacobianProduct:
    """The maps of the last K steps of B sequences; map j is that of the step j before the last."""

    trajectory: Trajectory
    lags: int
    instances: int
    steepest: bool = False
    _maps: dict[int, Linearisation] = field(default_factory=dict)

    @property
    def lengths(self) -> Tensor:
        return self.trajectory.lengths[: self.instances]

    def map(self, j: int) -> Linearisation:
        """J_{T-j} of every sequence; of one that is shorter, the map of its first step, which `inside` excludes."""
        if j not in self._maps:
            b = self.instances
            self._maps[j] = self._all.at(slice(j * b, (j + 1) * b))
        return self._maps[j]

    @cached_property
    def _all(self) -> Linearisation:
        """All maps at once: the products of many points are quick, those of one sequence's step are not."""
        t = (self.lengths - 1 - torch.arange(self.lags)[:, None]).clamp(min=0)
        b = torch.arange(self.instances).expand_as(t)
        x, s = self.trajectory.inputs[t, b], self.trajectory.states[t, b]
        return self.trajectory.layer.linearise(x.flatten(0, 1), s.flatten(0, 1), self.steepest)

    def carry(self, state: str) -> Tensor | None:
        """What a state keeps of itself by elementwise paths alone at each of the last K steps, (K, B, H), or None."""
        kept = self._all.carry(state)
        if kept is None:
            return None
        return kept.expand(self.lags * self.instances, -1).unflatten(0, (self.lags, -1))

    def inside(self, lag: int) -> NDArray[np.bool_]:
        """(B,): which sequences have as many steps."""
        return (self.lengths >= lag).numpy()

    def back(
        self, rows: LogScaled, at: Callable[[int, LogScaled], None], on_progress: Observer = silent
    ) -> None:
        """Carry rows (B, k, n) back step by step; `at(lag, rows)` sees u^T G_lag for lag 1..K."""
        for j in range(self.lags):
            rows = LogScaled.of(self.map(j).vjp(rows.unit), rows.log)
            at(j + 1, rows)
            on_progress(Progress("gradient by lag", (j + 1) / self.lags))


def probes(instances: int, number: int, size: int, like: Tensor, seed: int) -> LogScaled:
    """Random directions of norm 1, (B, k, n), the same for every seed."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(instances, number, size, generator=generator, dtype=torch.float64).to(like.dtype)
    return LogScaled(LogScaled.of(drawn).unit, drawn.new_zeros(drawn.shape[:-1]))


def unit_vectors(instances: int, size: int, like: Tensor) -> LogScaled:
    """All of them, (B, n, n): rows carried back are G itself."""
    return LogScaled.of(torch.eye(size, dtype=like.dtype).repeat(instances, 1, 1))


def mean_square(rows: LogScaled) -> tuple[Tensor, Tensor]:
    """ln of the root mean square norm of rows (B, k, n), and the standard error of that ln."""
    k = rows.log.shape[-1]
    logs = 2 * rows.log
    mean = torch.logsumexp(logs, dim=-1) - math.log(k)
    relative = (logs - mean.unsqueeze(-1)).exp()
    error = relative.std(dim=-1) / math.sqrt(k) / 2 if k > 1 else torch.full_like(mean, torch.nan)
    return mean / 2, error


def largest(rows: LogScaled) -> Tensor:
    """ln of the spectral norm of matrices given by their rows, (B, k, n) -> (B,)."""
    top = finite(rows.log.amax(dim=-1))
    matrix = rows.numbers(top.unsqueeze(-1))
    square = matrix @ matrix.mT if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT @ matrix
    return torch.linalg.eigvalsh(square)[..., -1].clamp(min=0).log() / 2 + top


def lanczos(
    chain: JacobianProduct, lags: list[int], start: LogScaled, rounds: int, on_progress: Observer = silent
) -> tuple[Tensor, Tensor]:
    """ln ||G_k||_2 of several lags at once, from below, and an error that covers what is missing.

    start: (B, q, p, n), some directions at s_{T-k} for each of q rising lags. Returns (q, B) twice. A round goes forth
    with G_k v and back with its transpose; every lag joins on its way. The estimate is the largest singular value of
    G_k on all directions so far (Golub and Kahan 1965). With x its right singular vector, G_k' G_k has an eigenvalue
    within the norm of the residual of sigma^2. The error is twice what follows from it and twice what the last
    round moved, the largest of all lags: there may be directions that no round has met.
    """

    def along(unit: Tensor, order: Iterable[int], name: str) -> LogScaled:
        rows = LogScaled(unit.clone(), unit.new_zeros(unit.shape[:-1]))
        for j in order:
            first = next(i for i, lag in enumerate(lags) if lag > j)  # lags from here on have begun
            begun = rows[:, first:]
            moved = getattr(chain.map(j), name)(begun.unit.flatten(1, 2)).unflatten(1, begun.log.shape[1:])
            moved = LogScaled.of(moved, begun.log)
            rows.unit[:, first:], rows.log[:, first:] = moved.unit, moved.log
        return rows

    right = torch.linalg.qr(start.unit.mT)[0].mT  # (B, q, directions, n), orthonormal
    new, images, logs = right, right[..., :0, :], start.log[..., :0]
    noise = torch.finfo(right.dtype).eps
    sizes: list[Tensor] = []
    for number in range(rounds):
        moved = along(new, reversed(range(lags[-1])), "jvp")
        images, logs = torch.cat([images, moved.unit], dim=-2), torch.cat([logs, moved.log], dim=-1)
        top = finite(logs.amax(dim=-1))
        u, sigma, vh = torch.linalg.svd(
            LogScaled(images, logs).numbers(top.unsqueeze(-1)).mT, full_matrices=False
        )
        sizes.append(top + sigma[..., 0].log())
        back = along(u.mT[..., :1, :], range(lags[-1]), "vjp")
        rest = back.numbers(top.unsqueeze(-1)) - sigma[..., :1, None] * (vh[..., :1, :] @ right)
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            rest = rest - rest @ right.mT @ right
        residual = torch.linalg.vector_norm(rest, dim=-1) / sigma[..., :1]
        # what is left of a space that has been seen whole is rounding
        new = torch.where(residual.unsqueeze(-1) > 1e3 * noise, LogScaled.of(rest).unit, 0.0)
        right = torch.cat([right, new], dim=-2)
        on_progress(Progress("worst direction", (number + 1) / rounds))
    residual = residual.squeeze(-1)
    moved_by = sizes[-1] - sizes[-2] if rounds > 1 else torch.zeros_like(residual)
    error = (torch.log1p(residual) + 2 * moved_by).nan_to_num(0.0)
    return sizes[-1].T, error.amax(dim=1, keepdim=True).expand_as(error).T


def spread(lags: int, number: int) -> list[int]:
    """Some of the lags 1..K, dense at first, then evenly on a logarithmic scale, with the last."""
    if lags <= number:
        return list(range(1, lags + 1))
    return np.unique(np.geomspace(1, lags, number).round().astype(int)).tolist()
