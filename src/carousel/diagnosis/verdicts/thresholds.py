"""Where trouble begins: every limit of the verdicts, with its source. Fixed on a development set of nets."""

from __future__ import annotations

from dataclasses import dataclass

CALIBRATION = "calibrated"  # on the development nets of bench.calibration


@dataclass(frozen=True)
class Thresholds:
    """The limits that the rules hold measured numbers against.

    Attributes:
        vanishing: a worst direction that keeps less than exp of this per step: 1 % is left after 9 steps.
        memoryless: likewise, so that a tenth is left after one step.
        kept: ln of what one step leaves of the best-kept direction, at nine of ten steps of the batch: a network that
            leaves more is not memoryless, however fast it forgets afterwards.
        growing: rate of growth per step, in nats, that is no noise of a finite window.
        transient: ln of a growth of the worst direction, at whatever lag, that is too much though it passes.
        saturated: share of (unit, step) at which gates and activations are, with less than 1 % of their steepest slope.
        silent: share of units that put out nothing.
        steps: shorter batches say nothing about memory.
        noted: the part of `saturated` and `silent` from which they are worth a note.
        rounding: relative change of an output above which a small change of the data has reached it. A run is
            repeatable to the last bit, so that it may be smaller than the rounding of float32.
        neighbours: values of a batch below which the correlation of neighbours says nothing.
        unscaled: size of the mean or the deviation of an input from which it is noted; a warning from twice as much.
        tiny: largest size of an input below which it hardly changes a state.
        outlier: distance from the middle, relative to that of 98 % of the numbers, which is too far.
        padded: equal steps at the end of a sequence from which they may be padding.
        silence: share of the earlier steps that equal those at the end, from which these are no padding.
        chance: share by which a loss must lie below that of the best constant answer.
        falls: share by which a step along the gradient must lower a loss.
        accumulated: size of the gradients that are held, relative to fresh ones, from which they have added up.
        aligned: cosine with a fresh gradient above which gradients that are held may be a sum of such.
        overshoot: share by which a few steps may raise the loss on their own batch.
        update: size of a step, relative to the parameters, below which it hardly changes them.
        same: correlation with a later input, or share of equal symbols, from which a target is this input.
        alike, unlike: correlation of neighbours above which they belong together, and below which they do not.
    """

    vanishing: float = -0.5
    memoryless: float = -2.3
    kept: float = -1.0
    growing: float = 0.03
    transient: float = 6.9
    saturated: float = 0.6
    silent: float = 0.5
    steps: int = 10
    noted: float = 0.8
    rounding: float = 3e-8
    neighbours: int = 200
    unscaled: float = 5.0
    tiny: float = 0.01
    outlier: float = 30.0
    padded: int = 2
    silence: float = 0.1
    chance: float = 0.02
    falls: float = 1e-3
    accumulated: float = 3.0
    aligned: float = 0.5
    overshoot: float = 0.1
    update: float = 1e-5
    same: float = 0.9
    alike: float = 0.5
    unlike: float = 0.2


THRESHOLDS = Thresholds()
