"""How far a network remembers, by every measure of it, and one headline that reconciles them or says why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.gates import GateTimes, gate_times
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag, gradient_by_lag, read
from carousel.diagnosis.measures.latching import Latching, latching
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.progress import Observer, silent

Array = NDArray[np.float64]

LEFT = math.log(
    0.05
)  # memory ends where 5 % is left: for an exponential decay all definitions then agree, at 3 tau
AGREE = 2.0  # measures within this factor of each other agree
SPAN = (0.1, 0.5, 0.9)  # quantiles over sequences: low, middle and high


@dataclass(frozen=True)
class Estimate:
    """A horizon in steps with the interval that the sequences (or units) give it.

    Attributes:
        steps, low, high: the median, and its interval.
        censored: whether the horizon lies beyond the window, which is then all that is known of it.
        meaning: what the number is, in words.
    """

    steps: float
    low: float
    high: float
    censored: bool
    meaning: str

    def __str__(self) -> str:
        """As in 12 steps (10 to 15)."""
        low, steps, high = (max(0, round(value)) for value in (self.low, self.steps, self.high))
        least = "at least " if self.censored else ""
        return f"{least}{steps} {'step' if steps == 1 else 'steps'} ({low} to {high})"


@dataclass(frozen=True, repr=False)
class Memory(Brief):
    """How far back a layer remembers.

    Attributes:
        layer: its name.
        steps, low, high: the headline: about so many steps, by all estimates that look at the gradient.
        censored: whether the memory reaches beyond the sequences that were looked at.
        grows: whether the gradient grows all the way, which is no memory, whatever the other numbers say.
        words: the headline in words; where the measures differ, from which to which, and why.
        estimates: name -> Estimate: "mass" (95 % of the gradient of the last step's loss), "typical" and "worst" (the
            lag at which 5 % of the typical or of the worst gradient is left), "fitted" (3 tau of an exponential),
            "gates" (3 tau of the 90 % slowest unit).
        agree: whether the estimates lie within a factor of two; why: if not, the reasons.
        gates: state -> its GateTimes; empty for a simple network.
        decay_fit: R^2 of the exponential fit, 1 if the decay is exponential.
        window: the longest lag that was looked at.
        latching: the stable states that the batch visits. What they hold is not in the other numbers.
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
    latching: Latching

    @property
    def is_split(self) -> bool:
        """Whether what the loss reads and the typical direction differ by more than a factor of two."""
        return _is_split(self.estimates)


def memory(
    trajectory: Trajectory, flow: GradientByLag | None = None, *, on_progress: Observer = silent
) -> Memory:
    """How many steps a layer, or by `stacked` a stack, remembers.

    Every estimate answers one question: at which lag is 5 % left? For an exponential decay with time constant tau this
    is 3 tau by all of them; where they differ, `why` says what that means. The mass horizon is the lag that holds 95 %
    of sum_(k >= 1) ||G_k' dL/ds_T||, so that a loss at every step does not pass for memory. Time scales of gates are
    valid only while the decay is exponential, which is why they stand beside the fit (arXiv:2111.03282, 2021).

    All of these follow small changes. A network that latches (`latching`) forgets small changes and holds a discrete
    state: `words` then says how many states there are, and for how long the batch stays with one.

    Args:
        trajectory: of `observe`, with gradients, or `stacked`.
        flow: its `gradient_by_lag`, if there is one already.
        on_progress: called with a `carousel.progress.Progress` now and then.

    Raises:
        CarouselError: as `gradient_by_lag`.

    >>> import torch
    >>> from carousel.diagnosis import memory, observe
    >>> [trajectory] = observe(torch.nn.LSTM(3, 8), torch.randn(50, 4, 3)).trajectories
    >>> memory(trajectory).words  # doctest: +ELLIPSIS
    'LSTM.l0 remembers about ... steps (...).'
    """
    flow = gradient_by_lag(trajectory, on_progress=on_progress) if flow is None else flow
    window = int(np.flatnonzero(~np.isnan(flow.median()))[-1])
    gates, held = gate_times(trajectory), latching(trajectory)
    estimates: dict[str, Estimate] = {}
    if np.isfinite(flow.log_last[0]).any():
        meaning = "lag within which 95 % of what the loss sends back is"
        estimates["mass"] = _over(read(flow.log_last), _mass, meaning)
    for name, words in (("typical", "the typical gradient"), ("worst", "the gradient's best direction")):
        meaning = f"lag at which 5 % of {words} is left"
        estimates[name] = _over(getattr(flow, f"log_{name}"), _left, meaning)
    estimates["fitted"], quality = _fitted(flow)
    if gates:
        tau = np.concatenate([each.tau for each in gates.values()])
        meaning = "3 tau of the slow units' gates (90 % of units are faster)"
        estimates["gates"] = _within(-LEFT * tau, window, meaning, (0.5, 0.9, 1.0))
    why = _why_they_differ(estimates, quality, window)
    main, typical = _main(estimates), estimates["typical"]
    grows = main.censored and flow.rate("log_worst") > THRESHOLDS.growing
    if grows:
        words = (
            f"The gradient of {flow.layer} grows over the {window} steps that were looked at. How many steps it "
            "remembers cannot be told from it."
        )
    elif held.is_latching and held.dwell > main.steps:
        words = (
            f"{flow.layer} holds {len(held.points)} discrete states, one for about {round(held.dwell)} steps of this "
            f"batch. A small change of its state is forgotten after about {main}."
        )
    else:
        words = _headline(flow.layer, estimates) + _range(estimates, why)
        if np.isneginf(
            flow.log_last[0]
        ).all():  # as of a reverse layer whose output is read at its first step alone
            words += " The loss does not read its last step, so that the typical gradient decides."
    return Memory(
        flow.layer, main.steps, min(main.low, typical.low), max(main.high, typical.high), main.censored, grows, words,
        estimates, not why, why, gates, quality, window, held,
    )  # fmt: skip


def _main(estimates: dict[str, Estimate]) -> Estimate:
    """The loss's own horizon where there is one."""
    return estimates.get("mass", estimates["typical"])


def _is_split(estimates: dict[str, Estimate]) -> bool:
    main, typical = (max(each.steps, 1.0) for each in (_main(estimates), estimates["typical"]))
    return max(main, typical) > AGREE * min(main, typical)


def _headline(layer: str, estimates: dict[str, Estimate]) -> str:
    """One sentence; of a memory that the loss and the typical direction tell differently, both."""
    main, typical = _main(estimates), estimates["typical"]
    low, high = min(main.low, typical.low), max(main.high, typical.high)
    if main.censored:
        return f"{layer} remembers at least the {round(high)} steps that were looked at."
    if _is_split(estimates):
        return f"{layer} remembers about {main} by what the loss reads, {typical} by what is typical."
    if round(main.steps) == 0:
        return f"{layer} remembers nothing beyond the current step."
    return f"{layer} remembers about {Estimate(main.steps, low, high, False, '')}."


def _range(estimates: dict[str, Estimate], why: str) -> str:
    """From which measure to which, and why; nothing where they agree."""
    if not why:
        return ""
    order = sorted(estimates, key=lambda name: estimates[name].steps)
    low, high = (max(0, round(estimates[name].steps)) for name in (order[0], order[-1]))
    return f" Definitions of memory give {low} ({order[0]}) to {high} steps ({order[-1]}): {why}."


def _why_they_differ(estimates: dict[str, Estimate], quality: float, window: int) -> str:
    """The reasons, that of the headline first; "" where all estimates lie within a factor of two."""
    values = {name: max(each.steps, 1.0) for name, each in estimates.items()}
    if max(values.values()) <= AGREE * min(values.values()):
        return ""
    typical = values["typical"]
    mass, gates = values.get("mass", typical), values.get("gates", typical)
    open_ended = sum(each.censored for each in estimates.values())
    reasons = [
        (mass < typical / AGREE, "the loss reads directions that fade faster than the typical one"),
        (mass > AGREE * typical, "the loss reads just the directions that are kept"),
        (values["worst"] > AGREE * typical, "a few directions are kept much longer than most"),
        (
            gates > AGREE * typical,
            "the gates would keep longer than the recurrence and the read-out let through",
        ),
        (
            quality < 0.9,
            f"the decay is not exponential (R^2 {quality:.2f}), so that no time constant describes it",
        ),
        (
            open_ended > 0,
            f"{open_ended} of {len(estimates)} reach beyond the {window} steps that were looked at",
        ),
    ]
    return "; ".join(words for holds, words in reasons if holds) or "directions fade at different speeds"


def _left(curve: Array) -> tuple[float, bool]:
    """The lag at which a curve has fallen for good to 5 % of its start, between lags; censored if it has not."""
    curve = curve[~np.isnan(curve)]
    limit = curve[0] + LEFT
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
    if not curve.size or not curve.max() > first + LEFT:
        return 0.0, False
    weights = np.exp(curve - curve.max())
    share = np.cumsum(weights) / weights.sum()
    k = int(np.searchsorted(share, 0.95))
    before = share[k - 1] if k else 0.0
    lag = k + (0.95 - before) / (share[k] - before) if share[k] > before else float(k + 1)
    return max(0.0, float(lag)), len(curve) > 1 and bool(weights[-1] > 0.05 * weights.max())


def _over(curves: Array, measure: Callable[[Array], tuple[float, bool]], meaning: str) -> Estimate:
    """A measure of every sequence's curve: the median, and the 10 % and 90 % quantiles."""
    steps, cut = np.array([measure(curve) for curve in curves.T if not np.isnan(curve).all()]).T
    low, middle, high = np.quantile(steps, SPAN).tolist()
    return Estimate(middle, low, high, bool(cut.mean() > 0.5), meaning)


def _fitted(flow: GradientByLag) -> tuple[Estimate, float]:
    """3 tau of an exponential through the typical curves, and R^2 of its fit to their median."""
    meaning = "3 tau of an exponential decay fitted to the typical gradient"
    finite = [np.flatnonzero(np.isfinite(curve)) for curve in flow.log_typical.T]
    rates = np.array(
        [
            np.polyfit(there, curve[there], 1)[0]
            for there, curve in zip(finite, flow.log_typical.T, strict=True)
            if len(there) > 2
        ]
    )
    median = flow.median()
    there = np.flatnonzero(np.isfinite(median))
    if not rates.size:
        return Estimate(float(there[-1]) if len(there) else 0.0, 0.0, 0.0, False, meaning), math.nan
    values = median[there]
    line = np.polyval(np.polyfit(there, values, 1), there) if len(there) > 1 else values
    spread = float(((values - values.mean()) ** 2).sum())
    quality = 1 - float(((values - line) ** 2).sum()) / spread if spread > 0 else 1.0
    with np.errstate(divide="ignore"):
        horizons = np.where(rates < 0, LEFT / np.minimum(rates, 0), np.inf)
    return _within(horizons, float(there[-1]), meaning), quality


def _within(horizons: Array, window: float, meaning: str, span: tuple[float, ...] = SPAN) -> Estimate:
    """Quantiles of horizons, none beyond the window. Interpolation would not survive infinity."""
    low, middle, high = np.quantile(horizons, span, method="nearest").tolist()
    return Estimate(min(middle, window), min(low, window), min(high, window), middle > window, meaning)
