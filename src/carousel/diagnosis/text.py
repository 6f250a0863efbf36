"""What the measures of one layer say, in sentences, for whoever prints or draws them; "" if they say nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from carousel.diagnosis.measures.fixed_points import FixedPoints
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.measures.impulse_response import LEFT, ImpulseResponse
from carousel.diagnosis.measures.linear_memory import LinearMemory
from carousel.diagnosis.measures.stability import Stability
from carousel.diagnosis.verdicts.findings import figure

_BOUNDED = {True: "are bounded", False: "are not bounded", None: "are not proven to be bounded"}
_STILL = 1e-6  # nats per step: two starts that move less keep their distance, to rounding


def on_stability(found: Stability) -> str:
    """Whether the states are bounded and why; whether the layer forgets its start, by proof or by measurement."""
    bounded = f"For bounded inputs its states {_BOUNDED[found.bounded]}: {found.reason}."
    proof, rate = found.certificate, found.measured_rate
    if proof is not None:
        return (
            f"{bounded} It provably forgets its start: {proof.name} = {figure(proof.value)} < {figure(proof.limit)} "
            f"({proof.source})."
        )
    if math.isnan(rate):
        return f"{bounded} No certificate proves that it forgets its start."
    if abs(rate) < _STILL:
        way = "keep their distance"
    else:
        way = f"{'approach each other' if rate < 0 else 'part'} by {figure(abs(rate))} nats per step"
    return f"{bounded} No certificate proves that it forgets its start. On the batch two near starts {way}."


def on_shrinking(flow: GradientByLag) -> str:
    """How much of the shrinking of the gradient is by activations, weights and gates."""
    activations, gates, lags = flow.share_of_activations, flow.share_of_gates, flow.farthest
    if math.isnan(activations):
        return ""
    if activations > 1:
        steepest = _by_power(flow.median("log_weights")[lags])
        grew = flow.median("log_weights")[lags] > 0.01
        change = f"grow {steepest}" if grew else "keep its size"
        grows = f"With every activation at its steepest slope, the typical gradient would {change}."
    else:
        grows = f"Activations that are not at their steepest slope account for {activations:.0%} of the shrinking."
    if math.isnan(gates):
        rest = (
            "It shrinks because activations are not at their steepest slope."
            if activations > 1
            else f"Weights account for {1 - activations:.0%}, on a logarithmic scale."
        )
        return f"{grows} {rest}"
    if gates > 1.05:
        alone, whole = _by_power(flow.median("log_gates")[lags]), _by_power(flow.median()[lags])
        return (
            f"Along the gates alone the typical gradient would shrink {alone} over {lags} steps. Paths through the "
            f"activations bring some of it back, so that it shrinks {whole}. {grows if activations > 1 else ''}"
        ).rstrip()
    return (
        f"The gates account for {min(gates, 1.0):.0%} of the shrinking of the typical gradient, on a logarithmic "
        f"scale. {grows}"
    )


def _by_power(log: float) -> str:
    """As in by a factor 10^-3.2."""
    return f"by a factor {math.exp(log):.3g}" if abs(log) < 4 else f"by a factor 10^{log / math.log(10):.1f}"


def on_cuts(number: int) -> str:
    """That J is zero at some steps, which no gradient crosses."""
    if not number:
        return ""
    return (
        f"At {_steps(number)} of those that were followed, no part of the state is carried on, as at a reset. Its rate "
        "of forgetting is that of the longest stretch between two such steps."
    )


def on_fixed_points(found: FixedPoints | None) -> str:
    """Which fixed points there are, and from how many starts they were found."""
    if found is None:
        return "The state is too large to search its fixed points here; carousel.diagnosis.fixed_points does."
    if not found.kinds:
        return f"No fixed point was found under its mean input, from {found.starts} starts."
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items())
    points = "fixed point" if len(found.kinds) == 1 else "fixed points"
    reached = f"{found.starts - found.missed} of {found.starts} starts"
    return f"Under its mean input it has {kinds} {points}, found from {reached}."


def on_impulse(found: ImpulseResponse) -> str:
    """After how many steps an impulse in the input has died away, in the output and in other states."""
    if not any(each.any() for each in found.states.values()):
        return "An impulse in its input changes nothing."
    responses = {"the output": (found.relative, found.steps)} | {
        state: (found.relative_of(state), found.steps_of(state)) for state in found.states if state != "h"
    }
    told = [f"{name} {_response(relative, steps)}" for name, (relative, steps) in responses.items()]
    return f"After an impulse in its input, {'; '.join(told)}."


def _response(relative: NDArray[np.float64], steps: int | None) -> str:
    if not relative.any():
        return "does not change"
    last, largest = len(relative) - 1, int(relative.argmax())
    if steps is not None:
        return f"falls below {LEFT:.0%} of its largest response after {_steps(steps)}"
    if largest == last:
        return f"still grows after {_steps(last)}"
    lowest = int(relative.argmin())
    if relative[lowest] < LEFT and lowest < last:  # it had died away, and came back
        return (
            f"falls to {relative[lowest]:.1%} of its largest response after {_steps(lowest)} and returns to "
            f"{relative[-1]:.0%} after {last}"
        )
    return f"is still at {relative[-1]:.0%} of its largest response after {_steps(last)}"


def _steps(number: int) -> str:
    return "1 step" if number == 1 else f"{number} steps"


def on_linear(found: LinearMemory | None) -> str:
    """What theory says of a linear layer."""
    if found is None or not found.channels:
        return ""
    words = (
        f"It is linear and can hold {max(found.capacity)} past inputs of a channel, with {found.size} units."
    )
    if not found.fisher:
        radius = figure(found.radius)
        return f"{words} Noise accumulates in it without limit (spectral radius {radius}): no Fisher memory."
    total = figure(max(each.total for each in found.fisher))
    return f"{words} Its Fisher memory is {total} in total (1 for a normal matrix, at most {found.size})."


def on_layers(flow: GradientByLayer | None) -> str:
    """By what factor the gradient changes from the last layer to the first, of a model with at least two."""
    if flow is None or sum(map(math.isfinite, flow.log_typical)) < 2:
        return ""
    first, last = flow.names[0], flow.names[-1]
    power = (flow.log_typical[0] - flow.log_typical[-1]) / math.log(10)
    if not math.isfinite(power):
        return f"No gradient of the loss reaches the output of {first}. A state that it hands on is not counted here."
    factor = f"{10**power:.3g} times" if -3 < power < 4 else f"10^{power:.1f} times"
    way = "as large as" if abs(power) < 0.05 else f"{factor} that of"
    return f"From layer to layer: the gradient of a number in the output of {first} is {way} one in {last}."
