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
from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.diagnosis.observation.stack import StackLinearisation
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.options import check_seed
from carousel.progress import Observer, Progress, silent

Array = NDArray[np.float64]

ALL = 64  # up to this size of the state all exponents are computed by default
MANY = 32  # beyond it, this many
BLOCKS = 10
LARGE = 256
SHORTEST, LONGEST = 200, 3200  # steps of a long run
LONGEST_OF_LARGE = 400  # of states above LARGE, whose exponents vary less
CLEAR = 3.0  # standard errors by which an exponent differs from zero
NEUTRAL = 1e-3  # nats per step: an exponent within this of zero is that of a state that is simply kept
EXACT = 0.1  # of the exponent: a standard error that is small enough
FAR = 1e30  # states of this size grow without bound


@dataclass(frozen=True, repr=False)
class Lyapunov(Brief):
    """Exponents in nats per step, largest first: exp(exponent) is the factor by which a change grows.

    Attributes:
        layer: its name, or "" for a map of yours.
        exponents: (k,), k <= n.
        error: standard error of each, (k,): from the means of blocks of steps, and at least half of the difference
            between the first and the second half of the steps.
        by_instance: (B, k), of each sequence or start.
        running: (S, k), the mean over the first steps: it must have become level.
        mean_log_det: mean of ln |det J|, which the sum of all exponents must equal; NaN if k < n.
        size, steps, transient: n; S, the steps averaged over; the steps before them, for the state and for the
            directions to settle.
        diverges: whether the states passed 1e30, where the run ended.
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
    diverges: bool = False

    @property
    def is_positive(self) -> bool:
        """Whether the largest exponent is above zero beyond its error: with bounded states that is chaos."""
        return bool(self.exponents[0] > NEUTRAL + CLEAR * self.error[0])

    @property
    def is_settled(self) -> bool:
        """Whether the error of the largest exponent is small, against the exponent or against 0.001 nats."""
        return bool(self.error[0] < max(EXACT * abs(self.exponents[0]), NEUTRAL))

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

    An exponent is a property of the long run. Beyond the end of a sequence its state therefore goes on with other
    sequences of the batch as input, drawn at random, until the largest exponent has settled.

    Args:
        trajectory: of `observe`, or `stacked`.
        exponents: k; None: all up to n = 64, else 32.
        steps: how many steps in all; None: those of the sequences, at least 200, doubled until the standard error of
            the largest exponent is below a tenth of it, or below 0.001, up to 3,200 steps (400 if n > 256).
        transient: steps left out at the beginning; None: half, or a fifth of `steps`.
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
    most = longest_run(layer.size)
    total = max(window, SHORTEST) if steps is None else steps
    known = min(window, total)  # the states of these steps are known already
    inputs, states = trajectory.inputs[:known, longest], trajectory.states[: known + 1, longest]
    k = exponents or (layer.size if layer.size <= ALL else MANY)
    walk = _Walk(layer.name, states[0], k, seed)

    def found() -> Lyapunov:
        return walk.result(total // (2 if steps is None else 5) if transient is None else transient)

    def follow(at: Linearisation | StackLinearisation) -> None:
        walk.follow(at.jvp, at.matrix)
        on_progress(Progress("Lyapunov exponents", len(walk.growth) / total))

    for _, at in along(layer, inputs, states):
        follow(at)
    s = states[-1]
    drive = _onward(trajectory, longest, known, max(total, most), seed)
    while len(walk.growth) < total and not walk.diverges:
        at = layer.linearise(next(drive), s)
        s = at.new_state
        follow(at)
        walk.diverges = not bool((s.abs() < FAR).all())
        if len(walk.growth) == total and steps is None and total < most and not found().is_settled:
            total = min(2 * total, most)
    total = len(walk.growth)
    return found()


def longest_run(size: int) -> int:
    """Up to how many steps a state of so many numbers is followed until its exponent has settled."""
    return LONGEST if size <= LARGE else LONGEST_OF_LARGE


def _onward(trajectory: Trajectory, chosen: Tensor, start: int, most: int, seed: int) -> Iterator[Tensor]:
    """(B, I), what follows step `start` of some sequences if after each comes another one of the batch, at random."""
    generator = torch.Generator().manual_seed(seed)
    streams = []
    for sequence in chosen.tolist():
        places: list[tuple[int, int]] = []
        while len(places) < most:
            places += [(t, sequence) for t in range(int(trajectory.lengths[sequence]))]
            sequence = int(torch.randint(trajectory.instances, (1,), generator=generator))
        streams.append(torch.tensor(places[:most]))
    steps, sequences = torch.stack(streams, dim=1).unbind(dim=-1)  # (most, B) each
    for t in range(start, most):
        yield trajectory.inputs[steps[t], sequences[t]]


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
    tangent, many = torch.func.vmap(torch.func.jacrev(step)), torch.func.vmap(step)
    walk = _Walk("", s, exponents or s.shape[1], seed)
    for _ in range(steps):
        jacobian = tangent(s)
        walk.follow(lambda rows, j=jacobian: rows @ j.mT, lambda j=jacobian: j)  # type: ignore[misc]
        s = many(s)
    return walk.result(transient)


class _Walk:
    """Directions carried along a trajectory, made orthogonal at every step."""

    def __init__(self, name: str, first: Tensor, k: int, seed: int) -> None:
        instances, n = first.shape
        if not 1 <= k <= n:
            raise CarouselError(f"A state of size {n} has from 1 to {n} exponents; {k} were asked for.")
        generator = torch.Generator().manual_seed(check_seed(seed))
        drawn = torch.randn(instances, n, k, generator=generator, dtype=torch.float64)
        self.name, self.size, self.diverges = name, n, False
        self.q = torch.linalg.qr(drawn.to(first.dtype))[0]
        self.growth: list[Tensor] = []  # ln of the diagonal of R at each step, (B, k)
        self.dets: list[Tensor] = []

    def follow(self, push: Callable[[Tensor], Tensor], matrix: Callable[[], Tensor]) -> None:
        """One step, by its map of rows and, for the sum rule, its matrix."""
        self.q, r = torch.linalg.qr(push(self.q.mT).mT)
        self.growth.append(r.diagonal(dim1=-2, dim2=-1).abs().double().log())
        if r.shape[-1] == self.size:
            self.dets.append(torch.linalg.slogdet(matrix()).logabsdet)

    def result(self, transient: int) -> Lyapunov:
        total = len(self.growth)
        if total - transient < 2:
            raise CarouselError(
                f"Exponents need at least 2 steps after the transient; of {total} steps, {transient} are the "
                "transient. Pass longer sequences, more steps or a shorter transient."
            )
        growth = torch.stack(self.growth[transient:]).numpy()  # (S, B, k)
        by_instance = growth.mean(axis=0)
        order = np.argsort(-by_instance.mean(axis=0), kind="stable")
        cut = [each.mean(axis=0) for each in np.array_split(growth, min(BLOCKS, len(growth)))]
        blocks = np.concatenate(cut)  # (blocks B, k)
        early, late = (each.mean(axis=(0, 1)) for each in np.array_split(growth, 2))
        with np.errstate(invalid="ignore"):  # an exponent of -inf has no error to speak of
            error = np.fmax(blocks.std(axis=0, ddof=1) / math.sqrt(len(blocks)), abs(late - early) / 2)
        running = np.cumsum(growth.mean(axis=1), axis=0) / np.arange(1, len(growth) + 1)[:, None]
        return Lyapunov(
            layer=self.name,
            exponents=by_instance.mean(axis=0)[order],
            error=error[order],
            by_instance=by_instance[:, order],
            running=running[:, order],
            mean_log_det=torch.stack(self.dets[transient:]).mean().item() if self.dets else math.nan,
            size=self.size,
            steps=len(growth),
            transient=transient,
            diverges=self.diverges,
        )
