"""Rules that turn symptoms into findings: one function for each disease, causes before what follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.measures.lyapunov import CLEAR, NEUTRAL
from carousel.diagnosis.verdicts.findings import (
    CRITICAL,
    NO_TROUBLE,
    NOTE,
    WARNING,
    Evidence,
    Finding,
    figure,
)
from carousel.diagnosis.verdicts.remedies import remedies_for
from carousel.diagnosis.verdicts.symptoms import LEFT, Symptoms
from carousel.diagnosis.verdicts.thresholds import CALIBRATION, THRESHOLDS

PASCANU = "Pascanu et al. 2013, " + CALIBRATION
ENGELKEN = "Engelken et al. 2023, " + CALIBRATION

Layers = Sequence[Symptoms]
# the first: the loss is known to be below chance or to fall, and memory lasts for at least half the sequences
WELL, NO_FAULT = "Nothing is wrong", "No fault was found"


def verdicts(
    layers: Layers,
    causes: Sequence[Finding] = (),
    consequences: Sequence[Finding] = (),
    *,
    learned: tuple[str, bool] = ("", False),
    explained: bool = False,
    suffices: bool = False,
) -> list[Finding]:
    """Findings of one model, those that cause others first; a single "no trouble" (and notes) if it is well.

    Args:
        layers: what was measured in each layer; none if a cause kept all of them from being measured.
        causes: what is wrong with how the model is used; it comes first. consequences: what follows from all else.
        learned: what is known of its learning, in words, and whether it is known to learn.
        explained: whether a cause explains what layers show, which is then a note.
        suffices: whether the task is all but solved, so that a short memory is a note.
    """
    in_layers = [finding for rule in RULES if (finding := rule(layers)) is not None] if layers else []
    if explained:
        in_layers = [
            _noted(each, "It follows from the first finding: treat that first.") for each in in_layers
        ]
    if suffices:
        told = "The loss is so low that the task needs no longer memory."
        in_layers = [
            _noted(each, told) if each.name in (vanishing.__name__, memoryless.__name__) else each
            for each in in_layers
        ]
    found = [*causes, *in_layers, *consequences]
    trouble = [finding for finding in found if finding.is_trouble]
    named = {finding.name for finding in trouble}
    notes = [finding for finding in found if not finding.is_trouble and finding.name not in named]
    return [*trouble, *notes] if trouble else [_well(layers, *learned), *notes]


def dead(layers: Layers) -> Finding | None:
    """Units that put out zero whatever comes in: rectifiers below their kink, output gates shut."""
    worst = max(layers, key=lambda each: each.silent)
    if worst.silent < THRESHOLDS.silent * THRESHOLDS.noted:
        return None
    ill = [each for each in layers if each.silent > THRESHOLDS.silent]
    severity = NOTE if not ill else CRITICAL if worst.silent > 0.9 else WARNING
    sentence = (
        f"In {worst.layer}, {round(worst.silent * worst.hidden)} of {worst.hidden} units put out zero at every step of "
        "every sequence: no input changes them, and no gradient passes them."
    )
    return _finding("dead", severity, ill or [worst], sentence, _silence(worst))


def chaotic(layers: Layers) -> Finding | None:
    """Bounded states in which small differences grow from step to step."""
    ill = [each for each in layers if each.is_growing and _stays(each)]
    if not ill:
        return None
    worst = max(ill, key=lambda each: each.exponent)
    bounded = f"its states did not diverge in {worst.long_run} steps"
    if worst.bounded_states:
        bounded = f"{' and '.join(worst.bounded_states)} cannot leave a fixed range"
    sentence = (
        f"{worst.layer} is chaotic: {bounded}, but in the long run two runs that differ by next to nothing move apart "
        f"by a factor {figure(math.exp(worst.exponent))} per step, and the gradient grows with them. Beyond about "
        f"{max(1, round(1 / worst.exponent))} steps (1 / exponent) the gradient says little. Clipping hides that and "
        "does not cure it."
    )
    severity = CRITICAL if worst.exponent > 0.1 else WARNING
    return _finding("chaotic", severity, ill, sentence, _exponent(worst, ENGELKEN))


def exploding(layers: Layers) -> Finding | None:
    """Unbounded states that grow, or a gradient that becomes very large on its way though it falls again."""
    if ill := [each for each in layers if each.is_growing and not _stays(each)]:
        worst = max(ill, key=lambda each: each.rate)
        sentence = (
            f"In {worst.layer} the gradient grows by a factor {figure(math.exp(worst.rate))} per step back, "
            f"{_power(_known(worst.worst)[-1])} over {len(worst.worst) - 1} steps, and the states grow with it without "
            "bound."
        )
        return _finding(
            "exploding", CRITICAL, ill, sentence, _growth(worst, PASCANU), _exponent(worst, ENGELKEN)
        )
    ill = [each for each in layers if _peak(each) > THRESHOLDS.transient and not each.is_growing]
    if not ill:
        return None
    worst = max(ill, key=_peak)
    sentence = (
        f"In {worst.layer} the gradient grows {_power(_peak(worst))} on its way back before it shrinks. Eigenvalues "
        "alone do not show it."
    )
    evidence = Evidence(
        "ln of the largest growth at any lag", _peak(worst), THRESHOLDS.transient, True, CALIBRATION
    )
    return _finding("exploding", WARNING, ill, sentence, evidence)


def transient_growth(layers: Layers) -> Finding | None:
    """A note: a gradient that grows within the window, of a network that is not chaotic in the long run."""
    passing = [each for each in layers if each.rate > THRESHOLDS.growing and not each.is_growing]
    if not passing or _peak(max(passing, key=_peak)) > THRESHOLDS.transient:
        return None
    worst = max(passing, key=_peak)
    sentence = (
        f"In {worst.layer} the gradient grows {_power(_peak(worst))} within the {len(worst.worst) - 1} steps of the "
        f"window. In the long run it does not grow: the largest Lyapunov exponent is {figure(worst.exponent)} +- "
        f"{figure(worst.exponent_error)} nats per step."
    )
    return _finding("transient growth", NOTE, passing, sentence, _exponent(worst, ENGELKEN))


def saturated(layers: Layers) -> Finding | None:
    """Activations whose slope is all but zero."""
    worst = max(layers, key=lambda each: each.saturation)
    if worst.saturation < THRESHOLDS.saturated * THRESHOLDS.noted:
        return None
    ill = [each for each in layers if each.saturation > THRESHOLDS.saturated]
    severity = NOTE if not ill else CRITICAL if worst.saturation > 0.8 else WARNING
    shares = ", ".join(f"{gate} {share:.0%}" for gate, share in worst.saturated.items())
    sentence = (
        f"In {worst.layer} the slope of {worst.saturation:.0%} of the activations ({shares}) is below 1 % of the "
        "steepest slope: what goes into them is too large."
    )
    return _finding("saturated", severity, ill or [worst], sentence, _saturation(worst))


def memoryless(layers: Layers) -> Finding | None:
    """No layer carries anything on from one step to the next, at (nearly) any step."""
    keeps = max(layers, key=lambda each: each.kept)
    words = (
        f"hardly anything of a state is carried on: one step leaves {figure(math.exp(keeps.kept))} or less of the "
        "best-kept direction, each further one {factor} of the rest. The network answers to the present input alone."
    )
    one_step = Evidence(
        "ln of what one step leaves, or less, at 90 % of steps",
        keeps.kept,
        THRESHOLDS.kept,
        False,
        CALIBRATION,
    )
    below = _keeps(layers, THRESHOLDS.memoryless, CALIBRATION)
    forgets = _carries_nothing(layers) and not any(map(_latches, layers))
    return _forgetting(layers, "memoryless", words, below, one_step) if forgets else None


def vanishing(layers: Layers) -> Finding | None:
    """Even the direction that is kept best shrinks quickly, in every layer."""
    words = (
        "even the best-kept direction of the gradient shrinks by a factor {factor} per step back; 1 % of it is left "
        "after {horizon} of {steps} steps, and what lies further back cannot be learned."
    )
    below = _keeps(layers, THRESHOLDS.vanishing, PASCANU)
    other = _carries_nothing(layers) or any(map(_latches, layers))
    return None if other else _forgetting(layers, "vanishing", words, below)


def latched(layers: Layers) -> Finding | None:
    """A note: small changes are forgotten, and discrete states are held."""
    holding = [each for each in layers if _latches(each)]
    if not holding:
        return None
    most = max(holding, key=lambda each: each.dwell)
    sentence = (
        f"{most.layer} holds {most.latched} discrete states, one for about {most.dwell:.0f} steps of this batch. Near "
        f"a stable state the gradient falls to 1 % within {_horizon(most.worst)} steps: what is held is kept all the "
        "same, but the gradient hardly teaches when to change it."
    )
    evidence = Evidence(
        "stable states that the batch visits", float(most.latched), 1.0, True, "Hopfield 1982"
    )
    return _finding("latching", NOTE, holding, sentence, evidence)


def short(layers: Layers) -> Finding | None:
    """A note: memory that ends well within the batch, which is trouble only if the task needs more."""
    longest = max(layers, key=lambda each: each.rate)
    latched = any(map(_latches, layers))
    if latched or longest.steps < THRESHOLDS.steps or not THRESHOLDS.vanishing <= longest.rate < 0:
        return None
    horizon = _horizon(longest.worst)
    if horizon is None or horizon > longest.steps // 2:
        return None
    sentence = (
        f"The best-kept direction falls to 1 % within {horizon} of {longest.steps} steps. That is no fault if the task "
        "needs no more."
    )
    return _finding("short memory", NOTE, layers, sentence, _keeps(layers, THRESHOLDS.vanishing, PASCANU))


RULES: tuple[Callable[[Layers], Finding | None], ...] = (
    chaotic, exploding, saturated, dead, memoryless, vanishing, transient_growth, latched, short
)  # fmt: skip


def _stays(each: Symptoms) -> bool:
    """Whether states are proven to be bounded, or did not diverge in a long run."""
    return bool(each.bounded_states) or not each.diverges


def _latches(each: Symptoms) -> bool:
    """Whether discrete states are held for longer than a small change."""
    horizon = _horizon(each.worst)
    return each.latched > 1 and horizon is not None and each.dwell > horizon


def _noted(finding: Finding, why: str) -> Finding:
    """As a note, without remedies."""
    return replace(finding, severity=NOTE, sentence=f"{finding.sentence} {why}", remedies=())


def _finding(name: str, severity: str, layers: Layers, sentence: str, *evidence: Evidence) -> Finding:
    return Finding(
        name,
        severity,
        tuple(each.layer for each in layers),
        sentence,
        evidence,
        remedies_for(name, layers),
    )


def _carries_nothing(layers: Layers) -> bool:
    """A finite memory, as of a delay line, or a reset in the batch leaves nothing in the end; this is another thing."""
    return all(each.rate < THRESHOLDS.memoryless and each.kept < THRESHOLDS.kept for each in layers)


def _forgetting(layers: Layers, name: str, words: str, evidence: Evidence, *more: Evidence) -> Finding | None:
    """Of the layers, the one that keeps most decides: the others may be short on purpose."""
    keeps = max(layers, key=lambda each: each.rate)
    if keeps.steps < THRESHOLDS.steps or not evidence.crossed or _horizon(keeps.worst) is None:
        return None
    sentence = words.format(
        factor=figure(math.exp(keeps.rate)),
        horizon=_horizon(keeps.worst),
        steps=keeps.steps,
    )
    severity = CRITICAL if keeps.rate < 2 * THRESHOLDS.vanishing else WARNING
    return _finding(name, severity, layers, f"In {keeps.layer} {sentence}", evidence, *more)


def _well(layers: Layers, learned: str, is_learning: bool) -> Finding:
    keeps = max(layers, key=lambda each: each.rate)
    horizon = _horizon(keeps.worst)
    reach = f"all {len(keeps.worst) - 1} steps" if horizon is None else f"{horizon} steps"
    evidence = [
        _growth(keeps, PASCANU) if math.isnan(keeps.exponent) else _exponent(keeps, ENGELKEN),
        *([_keeps(layers, THRESHOLDS.vanishing, PASCANU)] if keeps.steps >= THRESHOLDS.steps else []),
        _saturation(max(layers, key=lambda each: each.saturation)),
        _silence(max(layers, key=lambda each: each.silent)),
    ]
    is_long = horizon is None or horizon > keeps.steps // 2
    verdict = WELL if is_learning and is_long else NO_FAULT
    sentence = (
        f"{verdict}. The best-kept direction of the gradient stays above 1 % for {reach}. {learned}".rstrip()
    )
    return _finding(NO_TROUBLE, NOTE, layers, sentence, *evidence)


def _growth(each: Symptoms, source: str) -> Evidence:
    return Evidence(
        "growth of the worst direction, nats per step", each.rate, THRESHOLDS.growing, True, source
    )


def _exponent(each: Symptoms, source: str) -> Evidence:
    limit = NEUTRAL + CLEAR * each.exponent_error
    return Evidence(
        "largest Lyapunov exponent in the long run, nats per step", each.exponent, limit, True, source
    )


def _keeps(layers: Layers, below: float, source: str) -> Evidence:
    rate = max(each.rate for each in layers)
    return Evidence("ln of what a step keeps of the worst direction", rate, below, False, source)


def _saturation(each: Symptoms) -> Evidence:
    return Evidence(
        "share of saturated activations", each.saturation, THRESHOLDS.saturated, True, CALIBRATION
    )


def _silence(each: Symptoms) -> Evidence:
    return Evidence("share of silent units", each.silent, THRESHOLDS.silent, True, CALIBRATION)


def _known(worst: NDArray[np.float64]) -> NDArray[np.float64]:
    return worst[~np.isnan(worst)]


def _horizon(worst: NDArray[np.float64]) -> int | None:
    """The first lag at which less than 1 % is left and stays so; None if there is none."""
    above = np.flatnonzero(_known(worst) >= LEFT)
    last = int(above[-1]) + 1 if above.size else 0
    return last if last < len(_known(worst)) else None


def _peak(each: Symptoms) -> float:
    return float(_known(each.worst).max(initial=0.0))


def _power(log: float) -> str:
    """exp(log) in words that hold at any size."""
    return f"by a factor {math.exp(log):.3g}" if log < 600 else f"by a factor 1e{log / math.log(10):.0f}"
