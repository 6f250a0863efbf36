"""How a gradient shrinks or grows on its way back through time: worst, typical and actual, with the bound beside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.jacobian_product import (
    JacobianProduct,
    lanczos,
    largest,
    mean_square,
    probes,
    spread,
    unit_vectors,
)
from carousel.diagnosis.measures.norm_bound import log_norm_bound
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.stack import LayerStack
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.options import check_seed
from carousel.progress import Observer, silent

Array = NDArray[np.float64]

EXACT_SIZE = 256  # up to this n all unit vectors are carried back; 200 steps of 4 sequences take about 2 s
STARTS = 4  # probes from which the worst direction is looked for
SPREAD = 12  # lags at which the worst direction is looked for where not all are


@dataclass(frozen=True, repr=False)
class GradientByLag(Brief):
    """Norms by lag k = 0..K, as natural logarithms; NaN beyond the length of a sequence, -inf for zero.

    G_k = ds_T / ds_{T-k} is the product of k Jacobians of the full state, of size n. (Columns) B sequences.

    Attributes:
        layer: its name.
        lags: 0..K.
        log_worst: ln ||G_k||_2, (K + 1, B'): the most that any change of the state grows.
        log_typical: ln (||G_k||_F / sqrt(n)), (K + 1, B'): the root mean square over all directions.
        typical_error: standard error of it; 0 where exact.
        worst_error: by how much log_worst may be too low, (q, B); 0 where exact.
        worst_lags: lags at which log_worst was measured; between them it is interpolated.
        log_actual: state ("h", "c") -> ln ||dL/dstate_{T-k}||, (K + 1, B), of the given loss.
        log_total: ln ||dL/ds_{T-k}||, the states together, (K + 1, B).
        log_last: ln ||G_k' dL/ds_T||, (K + 1, B'): of that gradient, what comes from the last step alone. It is
            log_total if the loss looks at the last step only; a loss at every step adds to log_total all along.
        log_bound: ln of the product of bounds on ||J_t||_2 with every activation at its steepest, (K + 1, B').
        log_weights: log_typical, were every activation at its steepest: what weights and gates do.
        log_activations: log_typical - log_weights: what the slopes of the activations take away.
        log_gates: log_typical along the path of the gates alone, each unit times its gate at every step (c <- f c of an
            LSTM, h <- z h of a GRU), (K + 1, B'); NaN for cells without such a path, and for stacks.
        exact: whether log_worst and log_typical are; method: how they were found, in words.

    >>> import torch
    >>> from carousel.diagnosis import gradient_by_lag, observe
    >>> [trajectory] = observe(torch.nn.LSTM(3, 5), torch.randn(20, 4, 3)).trajectories
    >>> flow = gradient_by_lag(trajectory)
    >>> flow.median("c").shape, flow.rate("log_total") < 0
    ((21,), True)
    """

    layer: str
    lags: NDArray[np.int64]
    log_worst: Array
    log_typical: Array
    typical_error: Array
    worst_error: Array
    worst_lags: NDArray[np.int64]
    log_actual: dict[str, Array]
    log_total: Array
    log_last: Array
    log_bound: Array
    log_weights: Array
    log_activations: Array
    log_gates: Array
    exact: bool
    method: str

    def median(self, curve: str = "log_typical") -> Array:
        """The median over sequences of one `curve` by its name, (K + 1,); NaN where no sequence is so long.

        The name of a state, "c", is that of its part of the actual gradient. Sequences that the loss does not read, as
        those before a reset, say nothing of it and are left out.
        """
        values = read(self.log_actual[curve] if curve in self.log_actual else getattr(self, curve))
        out = np.full(len(values), np.nan)
        some = ~np.isnan(values).all(axis=1)
        out[some] = np.nanmedian(values[some], axis=1)
        return out

    def batch(self) -> Array:
        """ln of the norm of dL/ds_{T-k} over the whole batch as one vector, (K + 1,)."""
        squares = np.where(np.isnan(self.log_total), -np.inf, 2 * self.log_total)
        return np.logaddexp.reduce(squares, axis=1) / 2

    def rate(self, curve: str = "log_typical") -> float:
        """The slope of a `curve` per step: ln of the factor by which a step multiplies it, over its farther half.

        Below 0 the gradient vanishes, above 0 it explodes. -inf where the curve ends in zero.
        """
        values = self.median(curve)
        there = np.flatnonzero(~np.isnan(values))
        half = there[len(there) // 2 :] if len(there) > 3 else there
        if np.isneginf(values[half]).any():
            return -math.inf
        return float(np.polyfit(half, values[half], 1)[0]) if len(half) > 1 else math.nan

    @property
    def share_of_activations(self) -> float:
        """The part of the typical shrinking over all lags that the slopes of the activations make.

        More than 1 where it would grow with every activation at its steepest; NaN where it does not shrink. What the
        values of gates take away counts as weights, not as activations; `share_of_gates` tells it apart.
        """
        return self._share("log_activations")

    @property
    def share_of_gates(self) -> float:
        """The typical shrinking along the path of the gates alone, as a part of all of it.

        More than 1 where other paths make up for some of it; NaN without such a path, or where nothing shrinks.
        """
        return self._share("log_gates")

    @property
    def farthest(self) -> int:
        """The last lag at which the typical gradient is not zero."""
        return int(np.flatnonzero(np.isfinite(self.median()))[-1])

    def _share(self, curve: str) -> float:
        last = self.farthest
        typical, part = self.median()[last], self.median(curve)[last]
        return float(np.maximum(part / typical, 0.0)) if typical < 0 else math.nan


def read(curves: Array) -> Array:
    """Those of (K + 1, B) curves that are not zero throughout; all if each is."""
    some = (np.isfinite(curves) | np.isposinf(curves)).any(axis=0)
    return curves[:, some] if some.any() else curves


def gradient_by_lag(
    trajectory: Trajectory,
    *,
    lags: int | None = None,
    instances: int | None = None,
    exact_size: int = EXACT_SIZE,
    number: int = 8,
    iterations: int = 4,
    seed: int = 0,
    on_progress: Observer = silent,
) -> GradientByLag:
    """Worst, typical and actual gradient by lag, of one layer or, by `stacked`, of a whole stack.

    G_k = J_T ... J_{T-k+1}. Worst is ||G_k||_2; typical ||G_k||_F / sqrt(n), exactly the root mean square of
    ||G_k' u|| over random unit vectors u; actual ||dL/ds_{T-k}|| of the loss that `observe` was given. Up to
    `exact_size` all unit vectors are carried back and the first two are exact. Beyond, the typical is estimated from
    random probes (Hutchinson 1990), with a standard error, and the worst by Lanczos iteration (Golub and Kahan 1965),
    which comes from below; random probes alone would never meet the worst direction.

    The bound is prod_t of a bound on ||J_t||_2 in which every activation has its largest slope: for a simple network
    (gamma ||W||_2)^k, gamma = 1 for tanh and relu, 1/4 for sigmoid (Pascanu, Mikolov and Bengio 2013). For gated
    cells, the gates stand in it with their values on the batch.

    Args:
        trajectory: of `observe`, or `stacked` of several.
        lags: K, how far back; None: to the start of the longest sequence, at most 512.
        instances: B', for how many sequences G_k is followed, None: 4, or 2 where it is not exact; the actual gradient
            is there for all.
        exact_size, number, iterations: up to which n it is exact; probes and rounds beyond.
        seed: of the probes.
        on_progress: called with a `carousel.progress.Progress` now and then.

    Raises:
        CarouselError: `lags` is below 1.

    >>> import torch
    >>> from carousel.diagnosis import gradient_by_lag, observe
    >>> [trajectory] = observe(torch.nn.RNN(3, 5), torch.randn(20, 4, 3)).trajectories
    >>> flow = gradient_by_lag(trajectory)
    >>> flow.log_worst.shape, bool(flow.rate() < 0)
    ((21, 4), True)
    """
    if lags is not None and lags < 1:
        raise CarouselError(f"`lags` must be at least 1; got {lags}. Pass a positive integer, or None.")
    seed = check_seed(seed)
    size = trajectory.layer.size
    steps = min(lags or 512, trajectory.steps)
    exact = size <= exact_size
    chain = JacobianProduct(trajectory, steps, min(instances or (4 if exact else 2), trajectory.instances))
    worst_lags = spread(steps, (steps if size <= 64 else 2 * SPREAD) if exact else SPREAD)
    drawn = None if exact else number
    found = _norms(chain, drawn, seed, worst_lags, on_progress)
    worst_error = np.zeros_like(found.worst)
    if not exact:
        start = LogScaled.of(torch.stack(found.best, dim=1))
        logs, moved = lanczos(chain, worst_lags, start, iterations, on_progress)
        found.worst, worst_error = logs.numpy(), moved.numpy()
    steep = JacobianProduct(trajectory, steps, chain.instances, steepest=True)
    weights = np.full_like(found.typical, np.nan)
    if isinstance(trajectory.layer, (RecurrentLayer, LayerStack)):  # of a function no activation is known
        weights = _norms(steep, drawn, seed, [], on_progress).typical
    inside = np.stack([chain.inside(k) for k in range(steps + 1)])
    with np.errstate(invalid="ignore"):  # -inf - -inf: nothing left to divide between the two
        activations = found.typical - weights

    def valid(curve: Array) -> Array:
        return np.where(inside, curve, np.nan)

    actual, total = _actual(trajectory, steps)
    return GradientByLag(
        layer=trajectory.layer.name,
        lags=np.arange(steps + 1),
        log_worst=_between(worst_lags, found.worst, inside),
        log_typical=valid(found.typical),
        typical_error=valid(found.error),
        worst_error=worst_error,
        worst_lags=np.array(worst_lags),
        log_actual=actual,
        log_total=total,
        log_last=valid(found.last),
        log_bound=valid(_bound(steep)),
        log_weights=valid(weights),
        log_activations=valid(activations),
        log_gates=valid(_gates(chain)),
        exact=exact,
        method="exact: all unit vectors carried back"
        if exact
        else f"typical by {number} random probes, worst by {iterations} rounds of Lanczos iteration",
    )


@dataclass
class _Norms:
    """Norms of G_k by lag, (K + 1, B), with the error of the typical; the worst at some lags, (q, B).

    `last` is ln ||G_k' u|| with u what the loss asks of the last state of each sequence; NaN without a loss. `best` are
    the probes that grew most, directions from which to look for the worst.
    """

    typical: Array
    error: Array
    last: Array
    worst: Array
    best: list[Tensor]


def _norms(
    chain: JacobianProduct, number: int | None, seed: int, worst_lags: list[int], on_progress: Observer
) -> _Norms:
    """One way back with all unit vectors, or with a `number` of random probes, and with what the loss asks."""
    trajectory, few = chain.trajectory, chain.instances
    size, like = trajectory.layer.size, trajectory.states
    rows = unit_vectors(few, size, like) if number is None else probes(few, number, size, like, seed)
    directions = rows.log.shape[1]
    typical, error = np.zeros((2, chain.lags + 1, few))
    last = np.full_like(typical, np.nan)
    worst: list[Array] = []
    best: list[Tensor] = []
    if (gradient := trajectory.gradient) is not None:  # one row more on the same way
        asked = gradient[chain.lengths, torch.arange(few)]
        last[0] = asked.log.numpy()
        rows = LogScaled.joined([rows, asked[:, None]], partial(torch.cat, dim=1))

    def see(lag: int, rows: LogScaled) -> None:
        if gradient is not None:
            last[lag] = rows.log[:, -1].numpy()
            rows = rows[:, :directions]
        mean, deviation = mean_square(rows)
        typical[lag], error[lag] = mean.numpy(), 0.0 if number is None else deviation.numpy()
        if lag in worst_lags and number is None:
            worst.append(largest(rows).numpy())
        elif lag in worst_lags:
            most = rows.log.topk(min(STARTS, directions), dim=-1).indices
            best.append(rows.unit[torch.arange(few)[:, None], most])

    chain.back(rows, see, on_progress)
    return _Norms(typical, error, last, np.stack(worst) if worst else np.zeros((len(worst_lags), few)), best)


def _bound(steep: JacobianProduct) -> Array:
    """The sum of ln of bounds on ||J_t||_2 with every activation at its steepest; NaN for a stack."""
    bound = np.full((steep.lags + 1, steep.instances), np.nan)
    if isinstance(steep.trajectory.layer, RecurrentLayer):
        steps = [log_norm_bound(steep.map(j)).numpy() for j in range(steep.lags)]
        bound = np.cumsum([np.zeros(steep.instances), *steps], axis=0)
    return bound


def _gates(chain: JacobianProduct) -> Array:
    """ln of the root mean square over units of the products of their gates, (K + 1, B)."""
    layer = chain.trajectory.layer
    found = np.full((chain.lags + 1, chain.instances), np.nan)
    kept = [chain.carry(state) for state in layer.states] if isinstance(layer, RecurrentLayer) else []
    paths = [each.abs().double().log() for each in kept if each is not None]  # (K, B, H)
    if paths:
        logs = 2 * torch.cat(paths, dim=-1).cumsum(dim=0)
        found[0], found[1:] = 0.0, ((torch.logsumexp(logs, dim=-1) - math.log(layer.size)) / 2).numpy()
    return found


def _between(lags: list[int], values: Array, inside: NDArray[np.bool_]) -> Array:
    """Values (q, B) at some lags, linear between them in the logarithm, 0 at lag 0, NaN outside a sequence."""
    out = np.full(inside.shape, np.nan)
    every = np.arange(len(inside))
    for b in range(inside.shape[1]):
        known = [i for i, lag in enumerate(lags) if inside[lag, b]]
        at = [0, *(lags[i] for i in known)]
        ys = np.array([0.0, *values[known, b]])
        # where a value is -inf there is nothing to interpolate: each lag takes the last one measured
        last = ys[np.searchsorted(at, every, side="right") - 1]
        found = np.interp(every, at, ys) if np.isfinite(ys).all() else last
        out[inside[:, b], b] = found[inside[:, b]]
    return out


def _actual(trajectory: Trajectory, steps: int) -> tuple[dict[str, Array], Array]:
    """ln ||dL/ds_{T-k}|| of each state apart and together, (K + 1, B)."""
    if trajectory.gradient is None:
        return {}, np.full((steps + 1, trajectory.instances), np.nan)
    k = torch.arange(steps + 1)[:, None]
    there = trajectory.gradient[(trajectory.lengths - k).clamp(min=0), torch.arange(trajectory.instances)]
    outside = trajectory.lengths < k
    ends = np.cumsum([0, *trajectory.layer.sizes.values()]).tolist()
    parts = {
        name: there.part(*span) for name, span in zip(trajectory.layer.sizes, pairwise(ends), strict=True)
    }
    logs = {name: part.log.masked_fill(outside, torch.nan).numpy() for name, part in parts.items()}
    return logs, there.log.masked_fill(outside, torch.nan).numpy()
