"""How a gradient shrinks or grows on its way back through time: worst, typical and actual, with the bound beside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.jacobian_product import (
    JacobianProduct,
    largest,
    mean_square,
    power_iteration,
    probes,
    spread,
    unit_vectors,
)
from carousel.diagnosis.measures.norm_bound import log_norm_bound
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.stack import LayerStack
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.options import check_seed
from carousel.progress import Observer, silent

Array = NDArray[np.float64]

EXACT_SIZE = 256  # up to this n all unit vectors are carried back; 200 steps of 4 sequences take about 2 s
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
        worst_error: how much the last round of the power iteration moved log_worst; 0 where exact.
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
        """The median over sequences of one curve by its name, (K + 1,); NaN where no sequence is so long.

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
        """The slope of a curve per step: ln of the factor by which a step multiplies it, over its farther half.

        Below 0 the gradient vanishes, above 0 it explodes. -inf where the curve ends in zero.
        """
        values = self.median(curve)
        there = np.flatnonzero(~np.isnan(values))
        half = there[len(there) // 2 :] if len(there) > 3 else there
        if len(half) < 2:
            return float("nan")
        if np.isneginf(values[half]).any():
            return float("-inf")
        return float(np.polyfit(half, values[half], 1)[0])

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
        return float(np.maximum(part / typical, 0.0)) if typical < 0 else float("nan")


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
    random probes (Hutchinson 1990), with a standard error, and the worst by power iteration, which comes from below;
    random probes alone would never meet the worst direction.

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

    Raises CarouselError if lags is below 1.

    >>> import torch
    >>> from carousel.diagnosis import gradient_by_lag, observe
    >>> [trajectory] = observe(torch.nn.RNN(3, 5), torch.randn(20, 4, 3)).trajectories
    >>> flow = gradient_by_lag(trajectory)
    >>> flow.log_worst.shape, bool(flow.rate() < 0)
    ((21, 4), True)
    """
    if lags is not None and lags < 1:
        raise CarouselError(f"The gradient is followed over at least 1 step back; {lags} were asked for.")
    seed = check_seed(seed)
    steps = min(lags or 512, trajectory.steps)
    exact = trajectory.layer.size <= exact_size
    instances = min(instances or (4 if exact else 2), trajectory.instances)
    chain = JacobianProduct(trajectory, steps, instances)
    worst_lags = list(range(1, steps + 1)) if trajectory.layer.size <= 64 else spread(steps, 2 * SPREAD)
    if not exact:
        worst_lags = spread(steps, SPREAD)
    found = _Curves(chain, exact, number, seed, worst_lags, _asked(chain), on_progress)
    if exact:
        worst_error = np.zeros((len(worst_lags), instances))
    else:
        start = LogScaled(torch.stack(found.starts, dim=1), torch.zeros(instances, len(worst_lags)).double())
        logs, moved = power_iteration(chain, worst_lags, start, iterations, on_progress)
        found.worst, worst_error = logs.numpy(), moved.numpy()
    weights, bound = _steepest(trajectory, chain, exact, number, seed, on_progress)
    inside = np.stack([chain.inside(k) for k in range(steps + 1)])
    with np.errstate(invalid="ignore"):  # -inf - -inf: nothing left to divide between the two
        activations = np.where(inside, found.typical - weights, np.nan)
    actual, total = _actual(trajectory, steps)
    return GradientByLag(
        layer=trajectory.layer.name,
        lags=np.arange(steps + 1),
        log_worst=_between(steps, worst_lags, found.worst, inside),
        log_typical=np.where(inside, found.typical, np.nan),
        typical_error=np.where(inside, found.error, np.nan),
        worst_error=worst_error,
        worst_lags=np.array(worst_lags),
        log_actual=actual,
        log_total=total,
        log_last=np.where(inside, found.last, np.nan),
        log_bound=np.where(inside, bound, np.nan),
        log_weights=np.where(inside, weights, np.nan),
        log_activations=activations,
        log_gates=np.where(inside, _gates(trajectory, chain), np.nan),
        exact=exact,
        method="exact: all unit vectors carried back"
        if exact
        else f"typical by {number} random probes, worst by {iterations} rounds of power iteration",
    )


class _Curves:
    """One way back: the typical norm at every lag; the worst, or a direction to begin with, at some; what is asked.

    `last` is ln ||G_k' u|| with u what the loss asks of the last state of each sequence; NaN without a loss.
    """

    def __init__(
        self,
        chain: JacobianProduct,
        exact: bool,
        number: int,
        seed: int,
        at: list[int],
        asked: LogScaled | None = None,
        on_progress: Observer = silent,
    ) -> None:
        size, like = chain.trajectory.layer.size, chain.trajectory.states
        few = chain.instances
        rows = unit_vectors(few, size, like) if exact else probes(few, number, size, like, seed)
        self.typical = np.zeros((chain.lags + 1, chain.instances))
        self.error = np.zeros_like(self.typical)
        self.last = np.full_like(self.typical, np.nan)
        self.starts: list[torch.Tensor] = []
        worst: list[Array] = []
        directions = rows.log.shape[1]
        if asked is not None:  # one row more on the same way
            rows = LogScaled(
                torch.cat([rows.unit, asked.unit], dim=1), torch.cat([rows.log, asked.log], dim=1)
            )
            self.last[0] = asked.log[:, 0].numpy()

        def see(lag: int, rows: LogScaled) -> None:
            if asked is not None:
                self.last[lag] = rows.log[:, -1].numpy()
                rows = LogScaled(rows.unit[:, :directions], rows.log[:, :directions])
            mean, error = mean_square(rows)
            self.typical[lag] = mean.numpy()
            self.error[lag] = 0.0 if exact else error.numpy()
            if lag in at and exact:
                worst.append(largest(rows).numpy())
            elif lag in at:
                best = rows.log.argmax(dim=-1)
                self.starts.append(rows.unit[torch.arange(chain.instances), best])

        chain.back(rows, see, on_progress)
        self.worst = np.stack(worst) if worst else np.zeros((0, chain.instances))


def _steepest(
    trajectory: Trajectory, chain: JacobianProduct, exact: bool, number: int, seed: int, on_progress: Observer
) -> tuple[Array, Array]:
    """Typical norm and bound with every activation at its steepest."""
    steep = JacobianProduct(trajectory, chain.lags, chain.instances, steepest=True)
    weights = _Curves(steep, exact, number, seed, [], on_progress=on_progress).typical
    bound = np.full_like(weights, np.nan)
    if not isinstance(trajectory.layer, LayerStack):
        bound[0] = 0.0
        for j in range(chain.lags):
            bound[j + 1] = bound[j] + log_norm_bound(steep.map(j)).numpy()
    return weights, bound


def _gates(trajectory: Trajectory, chain: JacobianProduct) -> Array:
    """ln of the root mean square over units of the products of their gates, (K + 1, B)."""
    layer = trajectory.layer
    found = np.full((chain.lags + 1, chain.instances), np.nan)
    kept = [] if isinstance(layer, LayerStack) else [chain.carry(state) for state in layer.states]
    paths = [each.abs().double().log() for each in kept if each is not None]  # (K, B, H)
    if paths:
        found[0] = 0.0
        logs = 2 * torch.cat(paths, dim=-1).cumsum(dim=0)
        found[1:] = ((torch.logsumexp(logs, dim=-1) - math.log(layer.size)) / 2).numpy()
    return found


def _asked(chain: JacobianProduct) -> LogScaled | None:
    """What the loss asks of the last state of each sequence, (B, 1, n); None without a loss."""
    gradient = chain.trajectory.gradient
    if gradient is None:
        return None
    b = torch.arange(chain.instances)
    unit, log = gradient.unit[chain.lengths, b], gradient.log[chain.lengths, b]
    return LogScaled(unit.unsqueeze(1), log.unsqueeze(1))


def _between(steps: int, lags: list[int], values: Array, inside: NDArray[np.bool_]) -> Array:
    """Values (q, B) at some lags, linear between them in the logarithm, 0 at lag 0, NaN outside a sequence."""
    out = np.full(inside.shape, np.nan)
    for b in range(inside.shape[1]):
        known = [i for i, lag in enumerate(lags) if inside[lag, b]]
        at = [0, *(lags[i] for i in known)]
        ys = np.array([0.0, *values[known, b]])
        every = np.arange(steps + 1)
        # where a value is -inf there is nothing to interpolate: each lag takes the last one measured
        last = ys[np.searchsorted(at, every, side="right") - 1]
        out[:, b] = np.interp(every, at, ys) if np.isfinite(ys).all() else last
        out[~inside[:, b], b] = np.nan
    return out


def _actual(trajectory: Trajectory, steps: int) -> tuple[dict[str, Array], Array]:
    """ln ||dL/ds_{T-k}|| of each state apart and together, (K + 1, B)."""
    batch = trajectory.instances
    if trajectory.gradient is None:
        return {}, np.full((steps + 1, batch), np.nan)
    k = torch.arange(steps + 1)[:, None]
    at, b = (trajectory.lengths - k).clamp(min=0), torch.arange(batch)
    there = LogScaled(trajectory.gradient.unit[at, b], trajectory.gradient.log[at, b])
    outside = (trajectory.lengths < k).numpy()

    def logs(part: LogScaled) -> Array:
        values = part.log.numpy().copy()
        values[outside] = np.nan
        return values

    layer = trajectory.layer
    if isinstance(layer, LayerStack):
        ends = np.cumsum([0, *(each.size for each in layer.layers)]).tolist()
        names = [each.name for each in layer.layers]
        parts = {name: there.part(a, b) for name, a, b in zip(names, ends[:-1], ends[1:], strict=True)}
    else:
        h = layer.hidden
        parts = {state: there.part(i * h, (i + 1) * h) for i, state in enumerate(layer.states)}
    return {name: logs(part) for name, part in parts.items()}, logs(there)
