"""Lyapunov exponents: the mean logarithmic growth per step of small changes, direction by direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.layers import along
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.options import check_seed
from carousel.progress import Observer, Progress, silent

Array = NDArray[np.float64]
Map = tuple[Callable[[Tensor], Tensor], Callable[[], Tensor]]  # rows -> rows J^T, and the matrices J

ALL = 64  # up to this size of the state all exponents are computed by default
MANY = 32  # beyond it, this many
BLOCKS = 10
LARGE = 256


@dataclass(frozen=True, repr=False)
class Lyapunov(Brief):
    """Exponents in nats per step, largest first: exp(exponent) is the factor by which a change grows.

    Attributes:
        layer: its name, or "" for a map of yours.
        exponents: (k,), k <= n.
        error: standard error of each, (k,), from the means of blocks of steps; it leaves out what a longer
            transient would change.
        by_instance: (B, k), of each sequence or start.
        running: (S, k), the mean over the first steps: it must have become level.
        mean_log_det: mean of ln |det J|, which the sum of all exponents must equal; NaN if k < n.
        size, steps, transient: n; S, the steps averaged over; the steps before them, for the state and for the
            directions to settle.
    """

    layer: str
    exponents: Array
    error: Array
    by_instance: Array
    running: Array
    mean_log_det: float
    size: int
    steps: int
    transient: int

    @property
    def sum_rule_error(self) -> float:
        """|sum of exponents - mean ln |det J||.

        NaN if not all exponents were computed, and where a determinant is exactly 0, as of an LSTM with U = 0: the sum
        is then rounding.
        """
        total = float(self.exponents.sum())
        if np.isneginf(self.mean_log_det):
            return 0.0 if np.isneginf(total) else math.nan
        return abs(total - self.mean_log_det)

    @property
    def predictable_steps(self) -> float:
        """ln 2 / largest exponent: steps in which a small change doubles; inf if it does not grow."""
        top = float(self.exponents[0])
        return math.log(2) / top if top > 0 else math.inf

    @property
    def dimension(self) -> float:
        """Kaplan and Yorke's dimension of the attractor (1979); NaN if too few exponents were computed."""
        sums = np.cumsum(self.exponents)
        if self.exponents[0] < 0:
            return 0.0
        below = np.flatnonzero(sums < 0)
        if not below.size:
            return float(self.size) if len(sums) == self.size else math.nan
        j = int(below[0])
        return j + (float(sums[j - 1]) / abs(float(self.exponents[j])) if j else 0.0)


def lyapunov(
    trajectory: Trajectory,
    *,
    exponents: int | None = None,
    steps: int | None = None,
    transient: int | None = None,
    instances: int | None = None,
    seed: int = 0,
    on_progress: Observer = silent,
) -> Lyapunov:
    """The Lyapunov exponents of a layer, or by `stacked` of a stack, driven by the inputs of its batch.

    Z = J_t Q_{t-1} = Q_t R_t; lambda_i = mean_t ln |R_t,ii| (Benettin et al. 1980; for recurrent networks Engelken,
    Wolf and Abbott, arXiv:2006.02427, and Vogt et al. 2022), on the full state: for an LSTM h and c, since a map of
    h alone does not see what the cell keeps. Only products J v with k directions are needed.

    Args:
        trajectory: of `observe`, or `stacked`.
        exponents: k; None: all up to n = 64, else 32.
        steps: how many steps in all; None: those of the sequences. Beyond their end the inputs begin again while the
            state goes on.
        transient: steps left out at the beginning; None: a fifth.
        instances: how many of the longest sequences; None: 4, or 2 if n > 256. Those shorter than half of the longest
            are left out, since all are followed over the steps that they have in common.
        seed: of the first directions.
        on_progress: called with a `carousel.progress.Progress` now and then.

    Raises:
        CarouselError: fewer than 2 steps are left after the transient, or k is not from 1 to n.

    >>> import torch
    >>> from carousel.diagnosis import lyapunov, observe
    >>> [trajectory] = observe(torch.nn.RNN(3, 5), torch.randn(100, 4, 3)).trajectories
    >>> found = lyapunov(trajectory)
    >>> found.exponents.shape, bool(found.exponents[0] < 0), found.sum_rule_error < 1e-9
    ((5,), True, True)
    """
    layer = trajectory.layer
    number = instances or (4 if layer.size <= LARGE else 2)
    longest = torch.argsort(trajectory.lengths, descending=True, stable=True)[:number]
    longest = longest[2 * trajectory.lengths[longest] >= trajectory.lengths.max()]
    window = int(trajectory.lengths[longest].min())
    total = window if steps is None else steps
    inputs, states = trajectory.inputs[:, longest], trajectory.states[:, longest]

    def maps() -> Iterator[Map]:
        seen = min(window, total)  # the states of these steps are known already
        for t, at in along(layer, inputs[:seen], states[:seen]):
            yield at.jvp, at.matrix
            on_progress(Progress("Lyapunov exponents", (t + 1) / total))
        s = states[seen]
        for t in range(seen, total):
            at = layer.linearise(inputs[t % window], s)
            s = at.new_state
            yield at.jvp, at.matrix
            on_progress(Progress("Lyapunov exponents", (t + 1) / total))

    k = exponents or (layer.size if layer.size <= ALL else MANY)
    skip = total // 5 if transient is None else transient
    return _exponents(maps(), layer.name, states[0], k, total, skip, seed)


def lyapunov_of_map(
    step: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    *,
    exponents: int | None = None,
    transient: int = 100,
    seed: int = 0,
) -> Lyapunov:
    """The Lyapunov exponents of any map s -> step(s), made of torch operations on one state (n,).

    The method is that of `lyapunov` (Benettin et al. 1980), with Jacobians by autograd.

    Args:
        step: (n,) -> (n,), differentiable.
        start: (B, n) starts that are averaged over, or one, (n,).
        steps: in all, transient included.
        exponents: k; None: all. transient: steps left out at the beginning. seed: of the first directions.

    Raises:
        CarouselError: as `lyapunov`.

    >>> import torch
    >>> from carousel.diagnosis import lyapunov_of_map
    >>> logistic = lyapunov_of_map(lambda s: 4 * s * (1 - s), torch.rand(50, 1, dtype=torch.float64), 400)
    >>> bool(abs(logistic.exponents[0] - 0.6931) < 0.02)  # ln 2
    True
    """
    s = torch.atleast_2d(start)
    tangent = torch.func.vmap(torch.func.jacrev(step))

    def maps() -> Iterator[Map]:
        here = s
        for _ in range(steps):
            jacobian = tangent(here)
            here = torch.func.vmap(step)(here)
            yield lambda rows, j=jacobian: rows @ j.mT, lambda j=jacobian: j  # type: ignore[misc]

    return _exponents(maps(), "", s, exponents or s.shape[1], steps, transient, seed)


def _exponents(
    maps: Iterator[Map], name: str, first: Tensor, k: int, total: int, transient: int, seed: int
) -> Lyapunov:
    (instances, n), dtype = first.shape, first.dtype
    if not 1 <= k <= n:
        raise CarouselError(f"A state of size {n} has from 1 to {n} exponents; {k} were asked for.")
    if total - transient < 2:
        raise CarouselError(
            f"Exponents need at least 2 steps after the transient; of {total} steps, {transient} are the transient. "
            "Pass longer sequences, more steps or a shorter transient."
        )
    generator = torch.Generator().manual_seed(check_seed(seed))
    q = torch.linalg.qr(torch.randn(instances, n, k, generator=generator, dtype=torch.float64).to(dtype))[0]
    logs, dets = [], []
    for t, (push, matrix) in enumerate(maps):
        q, r = torch.linalg.qr(push(q.mT).mT)
        if t >= transient:
            logs.append(r.diagonal(dim1=-2, dim2=-1).abs().double().log())
            if k == n:
                dets.append(torch.linalg.slogdet(matrix()).logabsdet)
    growth = torch.stack(logs).numpy()  # (S, B, k)
    steps = len(growth)
    by_instance = growth.mean(axis=0)
    order = np.argsort(-by_instance.mean(axis=0), kind="stable")
    blocks = np.concatenate(
        [each.mean(axis=0) for each in np.array_split(growth, min(BLOCKS, steps))]
    )  # (., k)
    with np.errstate(invalid="ignore"):  # an exponent of -inf has no error to speak of
        error = blocks.std(axis=0, ddof=1) / math.sqrt(len(blocks))
    running = np.cumsum(growth.mean(axis=1), axis=0) / np.arange(1, steps + 1)[:, None]
    return Lyapunov(
        layer=name,
        exponents=by_instance.mean(axis=0)[order],
        error=error[order],
        by_instance=by_instance[:, order],
        running=running[:, order],
        mean_log_det=torch.stack(dets).mean().item() if dets else math.nan,
        size=n,
        steps=steps,
        transient=transient,
    )
