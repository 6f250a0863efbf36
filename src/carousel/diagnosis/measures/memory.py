"""How far a network remembers, by every measure of it, and one headline that reconciles them or says why it cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag, gradient_by_lag, read
from carousel.diagnosis.measures.memory_estimates import Estimate, headline, in_words, is_split, reconciled
from carousel.diagnosis.observation.stack import LayerStack
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.progress import Observer, silent

Array = NDArray[np.float64]

LEFT = 0.05  # memory ends where this share is left: for an exponential decay all definitions then agree, at 3 tau
POINTS = 2048  # steps at which gates are read


@dataclass(frozen=True, repr=False)
class GateTimes(Brief):
    """What a state keeps of itself from step to step by its gate alone, unit by unit.

    Attributes:
        keep: (H,), the geometric mean over time of the factor (f of an LSTM, z of a GRU): exactly the product's decay.
        tau: (H,), -1 / ln keep, the steps to 1/e; inf where nothing is lost.
    """

    keep: Array
    tau: Array

    @property
    def half_life(self) -> Array:
        """(H,), ln 2 tau: the steps to one half."""
        return math.log(2) * self.tau

    @property
    def steps(self) -> Array:
        """(H,), 1 / (1 - keep): the forgetting time of Tallec and Ollivier (2018)."""
        with np.errstate(divide="ignore"):
            return 1 / (1 - self.keep)


@dataclass(frozen=True, repr=False)
class Memory(Brief):
    """How far back a layer remembers.

    Attributes:
        layer: its name.
        steps, low, high: the headline: about so many steps, by all estimates that look at the gradient.
        censored: the memory reaches beyond the sequences that were looked at.
        grows: the gradient grows all the way, which is no memory, whatever the other numbers say.
        words: the headline in words; where the measures differ, from which to which, and why.
        estimates: name -> Estimate: "mass" (95 % of the gradient of the last step's loss), "typical" and "worst" (the
            lag at which 5 % of the typical or of the worst gradient is left), "fitted" (3 tau of an exponential),
            "gates" (3 tau of the 90 % slowest unit).
        agree: whether the estimates lie within a factor of two; why: if not, the reasons.
        gates: state -> its GateTimes; empty for a simple network.
        decay_fit: R^2 of the exponential fit, 1 if the decay is exponential.
        window: the longest lag that was looked at.
    """

    layer: str
    steps: float
    low: float
    high: float
    censored: bool
    grows: bool
    words: str
    estimates: dict[str, Estimate]
    agree: bool
    why: str
    gates: dict[str, GateTimes]
    decay_fit: float
    window: int

    @property
    def is_split(self) -> bool:
        """Whether what the loss reads and the typical direction differ by more than a factor of two."""
        return is_split(self.estimates)


def gate_times(trajectory: Trajectory) -> dict[str, GateTimes]:
    """The time scales of a layer's gates, state by state; empty where no state keeps anything by a gate.

    exp(mean ln f) over the valid steps of the batch (not the mean of f): its power k is the exact product over k
    steps. tau = -1 / ln f; a forget bias b gives f = sigmoid(b) and 1 / (1 - f) = 1 + e^b.
    """
    layer = trajectory.layer
    if isinstance(layer, LayerStack):
        return {}
    x, s = trajectory.points(POINTS)
    at = layer.linearise(x, s)
    found = {}
    for state in layer.states:
        kept = at.carry(state)
        if kept is not None:
            with np.errstate(divide="ignore"):
                log = np.log(np.abs(kept.numpy())).mean(axis=0)
                found[state] = GateTimes(np.exp(log), np.where(log < 0, -1 / np.minimum(log, 0), np.inf))
    return found


def memory(
    trajectory: Trajectory, flow: GradientByLag | None = None, *, on_progress: Observer = silent
) -> Memory:
    """How many steps a layer, or by `stacked` a stack, remembers.

    Every estimate answers one question: at which lag is 5 % left? For an exponential decay with time constant tau this
    is 3 tau by all of them; where they differ, `why` says what that means. The mass horizon is the lag that holds 95 %
    of sum_(k >= 1) ||G_k' dL/ds_T||, so that a loss at every step does not pass for memory. Gate time scales are valid
    only while the decay is exponential, which is why they stand beside the fit (arXiv:2111.03282).

    Args:
        trajectory: of `observe`, with gradients, or `stacked`.
        flow: its `gradient_by_lag`, if there is one already.
        progress: called with what is being done and the share that is done.

    >>> import torch
    >>> from carousel.diagnosis import memory, observe
    >>> [trajectory] = observe(torch.nn.LSTM(3, 8), torch.randn(50, 4, 3)).trajectories
    >>> memory(trajectory).words  # doctest: +ELLIPSIS
    'LSTM.l0 remembers about ... steps (...).'
    """
    flow = gradient_by_lag(trajectory, on_progress=on_progress) if flow is None else flow
    window = int(np.flatnonzero(~np.isnan(flow.median()))[-1])
    gates = gate_times(trajectory)
    estimates: dict[str, Estimate] = {}
    unread = np.isneginf(
        flow.log_last[0]
    ).all()  # as of a reverse layer whose output is read at its first step alone
    if np.isfinite(flow.log_last[0]).any():
        estimates["mass"] = _over(
            read(flow.log_last), _mass, "lag within which 95 % of what the loss sends back is"
        )
    estimates["typical"] = _over(flow.log_typical, _left, "lag at which 5 % of the typical gradient is left")
    estimates["worst"] = _over(
        flow.log_worst, _left, "lag at which 5 % of the gradient's best direction is left"
    )
    estimates["fitted"], quality = _fitted(flow)
    if gates:
        estimates["gates"] = _from_gates(gates, window)
    low, steps, high, censored = headline(estimates)
    agree, why = reconciled(estimates, quality, window)
    grows = censored and flow.rate("log_worst") > THRESHOLDS.growing
    if grows:
        words = f"The gradient of {flow.layer} grows over the {window} steps that were looked at; that is no memory."
    else:
        words = in_words(flow.layer, estimates, why)
        if unread:
            words += " The loss asks nothing of its last step, so that this is by the typical gradient."
    return Memory(
        flow.layer, steps, low, high, censored, grows, words, estimates, agree, why, gates, quality, window
    )


def _left(curve: Array) -> tuple[float, bool]:
    """The lag at which a curve has fallen for good to 5 % of its start, between lags; censored if it has not."""
    curve = curve[~np.isnan(curve)]
    limit = curve[0] + math.log(LEFT)
    above = np.flatnonzero(curve > limit)
    if not above.size:
        return 0.0, False
    last = int(above[-1])
    if last + 1 == len(curve):
        return float(last), True
    drop = curve[last] - curve[last + 1]
    return last + (float((curve[last] - limit) / drop) if np.isfinite(drop) else 1.0), False


def _mass(curve: Array) -> tuple[float, bool]:
    """The lag within which 95 % of the sum over k >= 1 lies; censored if the tail is cut off by the window.

    Lag 0 is the present step, which is no memory; where less than 5 % of its gradient goes any further back, there is
    none.
    """
    curve = curve[~np.isnan(curve)]
    first, curve = curve[0], curve[1:]
    if not curve.size or not curve.max() > first + math.log(LEFT):
        return 0.0, False
    weights = np.exp(curve - curve.max())
    share = np.cumsum(weights) / weights.sum()
    k = int(np.searchsorted(share, 1 - LEFT))
    before = share[k - 1] if k else 0.0
    lag = k + (1 - LEFT - before) / (share[k] - before) if share[k] > before else float(k + 1)
    cut = len(curve) > 1 and weights[-1] > LEFT * weights.max()
    return max(0.0, float(lag)), bool(cut)


def _over(curves: Array, measure: object, meaning: str) -> Estimate:
    """A measure of every sequence's curve: the median, and the 10 % and 90 % quantiles."""
    found = [measure(curve) for curve in curves.T if not np.isnan(curve).all()]  # type: ignore[operator]
    steps = np.array([lag for lag, _ in found])
    low, middle, high = np.quantile(steps, [0.1, 0.5, 0.9])
    censored = sum(cut for _, cut in found) * 2 > len(found)
    return Estimate(float(middle), float(low), float(high), censored, meaning)


def _fitted(flow: GradientByLag) -> tuple[Estimate, float]:
    """3 tau of an exponential through the typical curves, and R^2 of its fit to their median."""
    meaning = "3 tau of an exponential decay fitted to the typical gradient"
    slopes = []
    for curve in flow.log_typical.T:
        there = np.flatnonzero(np.isfinite(curve))
        if len(there) > 2:
            slopes.append(float(np.polyfit(there, curve[there], 1)[0]))
    median = flow.median()
    there = np.flatnonzero(np.isfinite(median))
    if not slopes:
        return Estimate(float(there[-1]) if len(there) else 0.0, 0.0, 0.0, False, meaning), math.nan
    line = np.polyval(np.polyfit(there, median[there], 1), there)
    spread = float(((median[there] - median[there].mean()) ** 2).sum())
    quality = 1 - float(((median[there] - line) ** 2).sum()) / spread if spread > 0 else 1.0
    rates = np.array(slopes)
    with np.errstate(divide="ignore"):
        horizons = np.where(rates < 0, math.log(LEFT) / np.minimum(rates, 0), np.inf)
    low, middle, high = (_quantile(horizons, q) for q in (0.1, 0.5, 0.9))
    window = float(there[-1])
    return Estimate(
        min(middle, window), min(low, window), min(high, window), middle > window, meaning
    ), quality


def _quantile(values: Array, q: float) -> float:
    """Without interpolation, which infinity would not survive."""
    return float(np.quantile(values, q, method="nearest"))


def _from_gates(gates: dict[str, GateTimes], window: int) -> Estimate:
    tau = np.concatenate([each.tau for each in gates.values()])
    low, slow, high = (-math.log(LEFT) * _quantile(tau, q) for q in (0.5, 0.9, 1.0))
    return Estimate(
        min(slow, window), min(low, window), min(high, window), slow > window,
        "3 tau of the slow units' gates (90 % of units are faster)",
    )  # fmt: skip
