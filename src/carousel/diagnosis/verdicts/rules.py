"""Rules that turn symptoms into findings: one function for each disease, causes before what follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from carousel.diagnosis.measures.lyapunov import CLEAR, NEUTRAL
from carousel.diagnosis.verdicts import treatments
from carousel.diagnosis.verdicts.findings import (
    CRITICAL,
    NO_TROUBLE,
    NOTE,
    WARNING,
    Evidence,
    Finding,
    figure,
)
from carousel.diagnosis.verdicts.symptoms import LEFT, Symptoms
from carousel.diagnosis.verdicts.thresholds import CALIBRATION, THRESHOLDS

PASCANU = "Pascanu et al. 2013, " + CALIBRATION
ENGELKEN = "Engelken et al. 2023, " + CALIBRATION

Rule = Callable[[Sequence[Symptoms]], Finding | None]


def verdicts(layers: Sequence[Symptoms]) -> list[Finding]:
    """Findings of one model, those that cause others first; a single "no trouble" (and notes) if it is well."""
    found = [finding for rule in RULES if (finding := rule(layers)) is not None]
    trouble = [finding for finding in found if finding.is_trouble]
    notes = [finding for finding in found if not finding.is_trouble]
    named = {finding.name for finding in trouble}
    notes = [finding for finding in notes if finding.name not in named]
    return [*trouble, *notes] if trouble else [_well(layers), *notes]


def dead(layers: Sequence[Symptoms]) -> Finding | None:
    """Units that put out zero whatever comes in: rectifiers below their kink, output gates shut."""
    worst = max(layers, key=lambda each: each.silent)
    if worst.silent < THRESHOLDS.silent * THRESHOLDS.noted:
        return None
    ill = [each for each in layers if each.silent > THRESHOLDS.silent]
    severity = NOTE if not ill else CRITICAL if worst.silent > 0.9 else WARNING
    number = round(worst.silent * worst.hidden)
    return Finding(
        "dead",
        severity,
        tuple(each.layer for each in ill or [worst]),
        f"In {worst.layer}, {number} of {worst.hidden} units put out zero at every step of every sequence: nothing "
        "that comes in changes it, and no gradient gets back through them.",
        (_silence(worst),),
        treatments.dead(ill or [worst]),
    )


def chaotic(layers: Sequence[Symptoms]) -> Finding | None:
    """Bounded states in which small differences grow from step to step."""
    ill = [each for each in layers if each.is_growing and _stays(each)]
    if not ill:
        return None
    worst = max(ill, key=lambda each: each.exponent)
    window = max(1, round(1 / worst.exponent))
    bounded = f"its states did not diverge in {worst.long_run} steps"
    if worst.bounded_states:
        bounded = f"{' and '.join(worst.bounded_states)} cannot leave a fixed range"
    return Finding(
        "chaotic",
        CRITICAL if worst.exponent > 0.1 else WARNING,
        tuple(each.layer for each in ill),
        f"{worst.layer} is chaotic: {bounded}, but in the long run two runs that differ by next to nothing move apart "
        f"by a factor {figure(math.exp(worst.exponent))} per step, and the gradient grows with them. Beyond about "
        f"{window} steps (1 / exponent) the gradient says little. Clipping hides that and does not cure it.",
        (_exponent(worst, ENGELKEN),),
        treatments.chaotic(ill),
    )


def exploding(layers: Sequence[Symptoms]) -> Finding | None:
    """Unbounded states that grow, or a gradient that becomes very large on its way though it falls again."""
    ill = [each for each in layers if each.is_growing and not _stays(each)]
    if ill:
        worst = max(ill, key=lambda each: each.rate)
        lag = len(worst.worst) - 1
        return Finding(
            "exploding",
            CRITICAL,
            tuple(each.layer for each in ill),
            f"In {worst.layer} the gradient grows by a factor {figure(math.exp(worst.rate))} per step back, "
            f"{_power(_last(worst.worst))} over {lag} steps, and the states grow with it without bound.",
            (_growth(worst, PASCANU), _exponent(worst, ENGELKEN)),
            treatments.exploding(ill),
        )
    passing = [each for each in layers if _peak(each) > THRESHOLDS.transient and not each.is_growing]
    if not passing:
        return None
    worst = max(passing, key=_peak)
    return Finding(
        "exploding",
        WARNING,
        tuple(each.layer for each in passing),
        f"In {worst.layer} the gradient grows {_power(_peak(worst))} on its way back before it shrinks: the recurrent "
        "matrix is far from normal, and its eigenvalues alone do not show it.",
        (
            Evidence(
                "ln of the largest growth at any lag", _peak(worst), THRESHOLDS.transient, True, CALIBRATION
            ),
        ),
        treatments.exploding(passing),
    )


def transient_growth(layers: Sequence[Symptoms]) -> Finding | None:
    """A note: a gradient that grows within the window, of a network that is not chaotic in the long run."""
    passing = [each for each in layers if each.rate > THRESHOLDS.growing and not each.is_growing]
    if not passing or _peak(max(passing, key=_peak)) > THRESHOLDS.transient:
        return None
    worst = max(passing, key=_peak)
    return Finding(
        "transient growth",
        NOTE,
        tuple(each.layer for each in passing),
        f"In {worst.layer} the gradient grows {_power(_peak(worst))} within the {len(worst.worst) - 1} steps of the "
        f"window. In the long run it does not grow: the largest Lyapunov exponent is {figure(worst.exponent)} +- "
        f"{figure(worst.exponent_error)} nats per step.",
        (_exponent(worst, ENGELKEN),),
    )


def saturated(layers: Sequence[Symptoms]) -> Finding | None:
    """Activations that stand where their slope is all but zero."""
    worst = max(layers, key=lambda each: each.saturation)
    if worst.saturation < THRESHOLDS.saturated * THRESHOLDS.noted:
        return None
    ill = [each for each in layers if each.saturation > THRESHOLDS.saturated]
    severity = NOTE if not ill else CRITICAL if worst.saturation > 0.8 else WARNING
    shares = ", ".join(f"{gate} {share:.0%}" for gate, share in worst.saturated.items())
    return Finding(
        "saturated",
        severity,
        tuple(each.layer for each in ill or [worst]),
        f"In {worst.layer} the activations stand where they are flat, with less than 1 % of their steepest slope, on "
        f"{worst.saturation:.0%} of units and steps ({shares}): what goes into them is too large.",
        (
            Evidence(
                "share of saturated activations", worst.saturation, THRESHOLDS.saturated, True, CALIBRATION
            ),
        ),
        treatments.saturated(ill or [worst]),
    )


def memoryless(layers: Sequence[Symptoms]) -> Finding | None:
    """No layer carries anything on from one step to the next, at (nearly) any step."""
    if not _carries_nothing(layers) or any(map(_latches, layers)):
        return None
    keeps = max(layers, key=lambda each: each.kept)
    found = _forgetting(
        layers,
        "memoryless",
        THRESHOLDS.memoryless,
        f"hardly anything of a state is carried on: one step leaves {figure(math.exp(keeps.kept))} or less of the "
        f"best-kept direction, each further one {{factor}} of the rest. The network answers to the present input "
        "alone.",
        CALIBRATION,
    )
    more = Evidence(
        "ln of what one step leaves, or less, at 90 % of steps",
        keeps.kept,
        THRESHOLDS.kept,
        False,
        CALIBRATION,
    )
    return None if found is None else replace(found, evidence=(*found.evidence, more))


def vanishing(layers: Sequence[Symptoms]) -> Finding | None:
    """Even the direction that is kept best shrinks quickly, in every layer."""
    if _carries_nothing(layers) or any(map(_latches, layers)):
        return None
    return _forgetting(
        layers,
        "vanishing",
        THRESHOLDS.vanishing,
        "even the best-kept direction of the gradient shrinks by a factor {factor} per step back; 1 % of it is left "
        "after {horizon} of {steps} steps, and what lies further back cannot be learned.",
        PASCANU,
    )


def latched(layers: Sequence[Symptoms]) -> Finding | None:
    """A note: small changes are forgotten, and discrete states are held."""
    holding = [each for each in layers if _latches(each)]
    if not holding:
        return None
    most = max(holding, key=lambda each: each.dwell)
    return Finding(
        "latching",
        NOTE,
        tuple(each.layer for each in holding),
        f"{most.layer} holds {most.latched} discrete states, one for about {most.dwell:.0f} steps of this batch. Near "
        f"a stable state the gradient falls to 1 % within {_horizon(most.worst)} steps: what is held is kept all the "
        "same, but the gradient hardly teaches when to change it.",
        (Evidence("stable states that the batch visits", float(most.latched), 1.0, True, "Hopfield 1982"),),
    )


def short(layers: Sequence[Symptoms]) -> Finding | None:
    """A note: memory that ends well within the batch, which is trouble only if the task needs more."""
    longest = max(layers, key=lambda each: each.rate)
    latched = any(map(_latches, layers))
    if latched or longest.steps < THRESHOLDS.steps or not THRESHOLDS.vanishing <= longest.rate < 0:
        return None
    horizon = _horizon(longest.worst)
    if horizon is None or horizon > longest.steps // 2:
        return None
    return Finding(
        "short memory",
        NOTE,
        tuple(each.layer for each in layers),
        f"The best-kept direction falls to 1 % within {horizon} of {longest.steps} steps. That is no fault if the task "
        "needs no more.",
        (Evidence("ln of what a step keeps", longest.rate, THRESHOLDS.vanishing, False, PASCANU),),
    )


RULES: tuple[Rule, ...] = (
    chaotic,
    exploding,
    saturated,
    dead,
    memoryless,
    vanishing,
    transient_growth,
    latched,
    short,
)


def _stays(each: Symptoms) -> bool:
    """Whether states are proven to be bounded, or did not diverge in a long run."""
    return bool(each.bounded_states) or not each.diverges


def _latches(each: Symptoms) -> bool:
    """Whether discrete states are held for longer than a small change."""
    horizon = _horizon(each.worst)
    return each.latched > 1 and horizon is not None and each.dwell > horizon


def _carries_nothing(layers: Sequence[Symptoms]) -> bool:
    """A finite memory, as of a delay line, or a reset in the batch leaves nothing in the end; this is another thing."""
    return all(each.rate < THRESHOLDS.memoryless and each.kept < THRESHOLDS.kept for each in layers)


def _forgetting(
    layers: Sequence[Symptoms], name: str, below: float, words: str, source: str
) -> Finding | None:
    """Of the layers, the one that keeps most decides: the others may be short on purpose."""
    keeps = max(layers, key=lambda each: each.rate)
    if keeps.steps < THRESHOLDS.steps or not keeps.rate < below:
        return None
    horizon = _horizon(keeps.worst)
    sentence = words.format(
        factor=figure(math.exp(keeps.rate)), horizon=horizon or len(keeps.worst) - 1, steps=keeps.steps
    )
    treat = treatments.memoryless if name == "memoryless" else treatments.vanishing
    return Finding(
        name,
        CRITICAL if keeps.rate < 2 * THRESHOLDS.vanishing else WARNING,
        tuple(each.layer for each in layers),
        f"In {keeps.layer} {sentence}",
        (Evidence("ln of what a step keeps of the worst direction", keeps.rate, below, False, source),),
        treat(layers),
    )


def _well(layers: Sequence[Symptoms]) -> Finding:
    keeps = max(layers, key=lambda each: each.rate)
    horizon = _horizon(keeps.worst)
    reach = f"more than {len(keeps.worst) - 1} steps" if horizon is None else f"{horizon} steps"
    evidence = [
        _growth(keeps, PASCANU),
        Evidence("the same: what a step keeps", keeps.rate, THRESHOLDS.vanishing, False, PASCANU),
        _saturation(max(layers, key=lambda each: each.saturation)),
        _silence(max(layers, key=lambda each: each.silent)),
    ]
    if keeps.steps < THRESHOLDS.steps:
        evidence.pop(1)
    return Finding(
        NO_TROUBLE,
        NOTE,
        tuple(each.layer for each in layers),
        f"Nothing is wrong by these measures: the best-kept direction stays above 1 % for {reach}.",
        tuple(evidence),
    )


def _growth(each: Symptoms, source: str) -> Evidence:
    return Evidence(
        "growth of the worst direction, nats per step", each.rate, THRESHOLDS.growing, True, source
    )


def _exponent(each: Symptoms, source: str) -> Evidence:
    limit = NEUTRAL + CLEAR * each.exponent_error
    return Evidence(
        "largest Lyapunov exponent in the long run, nats per step", each.exponent, limit, True, source
    )


def _saturation(each: Symptoms) -> Evidence:
    return Evidence(
        "share of saturated activations", each.saturation, THRESHOLDS.saturated, True, CALIBRATION
    )


def _silence(each: Symptoms) -> Evidence:
    return Evidence("share of silent units", each.silent, THRESHOLDS.silent, True, CALIBRATION)


def _horizon(worst: np.ndarray) -> int | None:
    """The first lag at which less than 1 % is left and stays so; None if there is none."""
    known = worst[~np.isnan(worst)]
    above = np.flatnonzero(known >= LEFT)
    last = int(above[-1]) + 1 if above.size else 0
    return last if last < len(known) else None


def _peak(each: Symptoms) -> float:
    known = each.worst[~np.isnan(each.worst)]
    return float(known.max()) if known.size else 0.0


def _last(worst: np.ndarray) -> float:
    return float(worst[~np.isnan(worst)][-1])


def _power(log: float) -> str:
    """exp(log) in words that hold at any size."""
    return f"by a factor {math.exp(log):.3g}" if log < 600 else f"by a factor 1e{log / math.log(10):.0f}"
