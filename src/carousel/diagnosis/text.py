"""What the measures of one layer say, in words, for whoever prints or draws them."""

from __future__ import annotations

import math

from carousel.diagnosis.measures.fixed_points import FixedPoints
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.measures.impulse_response import ImpulseResponse
from carousel.diagnosis.measures.linear_memory import LinearMemory
from carousel.diagnosis.measures.stability import Stability
from carousel.diagnosis.verdicts.findings import figure

_BOUNDED = {True: "bounded", False: "not bounded", None: "not proven bounded"}


def on_stability(found: Stability) -> str:
    """Bounded or not and why; whether it forgets its start, by which certificate, or what was measured."""
    proof = found.certificate
    if proof is not None:
        forgets = (
            f"it forgets its start, for {proof.name} = {figure(proof.value)} < {figure(proof.limit)} "
            f"({proof.source})"
        )
    else:
        forgets = "no certificate proves that it forgets its start"
        if not math.isnan(found.measured_rate):
            way = "approach each other" if found.measured_rate < 0 else "part"
            forgets += f"; on the batch two near starts {way}, {figure(found.measured_rate)} nats per step"
    return f"{_BOUNDED[found.bounded]} for bounded inputs ({found.reason}); {forgets}"


def on_shrinking(flow: GradientByLag) -> str:
    """How much of the shrinking flat activations, weights and gates do; "" if it does not shrink."""
    activations, gates, lags = flow.share_of_activations, flow.share_of_gates, flow.farthest
    if math.isnan(activations):
        return ""
    steepest = flow.median("log_weights")[lags]
    grows = (
        f"with activations at their steepest it would grow {_by_power(steepest)}"
        if activations > 1
        else f"activations that are not at their steepest take {activations:.0%} of it"
    )
    if math.isnan(gates):
        if activations > 1:
            return (
                f"the typical gradient's shrinking is by activations that are not at their steepest: {grows}"
            )
        return (
            f"of the typical gradient's shrinking (on a logarithmic scale) {activations:.0%} is by activations that "
            f"are not at their steepest, {1 - activations:.0%} by weights"
        )
    if gates > 1.05:
        return (
            f"along the gates alone the typical gradient would shrink {_by_power(flow.median('log_gates')[lags])} over "
            f"{lags} steps; the paths through the activations bring some of it back, so that it shrinks "
            f"{_by_power(flow.median()[lags])}" + (f"; {grows}" if activations > 1 else "")
        )
    return (
        f"of the typical gradient's shrinking (on a logarithmic scale) {min(gates, 1.0):.0%} is by what the gates let "
        f"go at each step; through the other paths, {grows}"
    )


def _by_power(log: float) -> str:
    """As in by a factor 10^-3.2."""
    return f"by a factor {math.exp(log):.3g}" if abs(log) < 4 else f"by a factor 10^{log / math.log(10):.1f}"


def on_cuts(number: int) -> str:
    """That J is zero at some steps, which nothing crosses; "" if at none."""
    if not number:
        return ""
    steps = "1 step" if number == 1 else f"{number} steps"
    return (
        f"nothing of the state crosses {steps} of those that were followed, as at a reset; how fast it forgets is that "
        "of the longest stretch between"
    )


def on_fixed_points(found: FixedPoints | None) -> str:
    """Which fixed points there are, and from how many starts they were found; that none were sought, if so."""
    if found is None:
        return "fixed points of so large a state are left to carousel.diagnosis.fixed_points"
    if not found.kinds:
        return f"no fixed point was found under its mean input from {found.starts} starts"
    kinds = ", ".join(f"{number} {kind}" for kind, number in found.counts.items())
    points = "fixed point" if len(found.kinds) == 1 else "fixed points"
    reached = found.starts - found.missed
    return f"under its mean input: {kinds} {points}, reached from {reached} of {found.starts} starts"


def on_impulse(found: ImpulseResponse) -> str:
    """After how many steps an impulse in its input has died away."""
    heard = len(found.norms) - 1
    if not any(each.any() for each in found.states.values()):
        return "an impulse in its input changes nothing"
    if not found.norms.any():
        words = "an impulse in its input does not show in its output"
    elif found.relative[-1] == 1:
        words = f"an impulse in its input still grows after {heard} steps"
    elif found.steps is None:
        words = f"an impulse in its input has not died away after {heard} steps: {found.relative[-1]:.0%} of it is left"
    else:
        words = f"an impulse in its input has died away, to less than 5 %, after {_count(found.steps)}"
    hidden = [_of_state(found, state) for state in found.states if state != "h"]
    return "; ".join([words, *hidden])


def _of_state(found: ImpulseResponse, state: str) -> str:
    steps, relative = found.steps_of(state), found.relative_of(state)
    if steps is not None:
        return f"in {state} after {_count(steps)}"
    return f"in {state} {relative[-1]:.0%} of it is left after {len(relative) - 1} steps"


def _count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


def on_linear(found: LinearMemory | None) -> str:
    """What theory says of a linear layer; "" of any other."""
    if found is None or not found.channels:
        return ""
    capacity = max(found.capacity)
    words = f"linear, it can hold {capacity} past inputs of a channel apart (of {found.size} units)"
    if not found.fisher:
        return f"{words}; noise adds up in it without end (spectral radius {figure(found.radius)}): no Fisher memory"
    total = max(each.total for each in found.fisher)
    return f"{words}; Fisher memory {figure(total)} in total (1 for a normal matrix, at most {found.size})"


def on_layers(flow: GradientByLayer | None) -> str:
    """By what factor the gradient changes from the last layer to the first; "" if there are fewer than two."""
    if flow is None:
        return ""
    logs = [value for value in flow.log_typical if math.isfinite(value)]
    if len(logs) < 2:
        return ""
    first, last = flow.names[0], flow.names[-1]
    change = (flow.log_typical[0] - flow.log_typical[-1]) / math.log(10)
    if not math.isfinite(change):
        return f"no gradient of the loss reaches {first}"
    way = "as large as" if abs(change) < 0.05 else f"{_times(change)} that of"
    return (
        f"from layer to layer: a number in the output of {first} has a gradient {way} one in that of {last}"
    )


def _times(power: float) -> str:
    """10 ** power as a factor that reads well."""
    return f"{10**power:.3g} times" if -3 < power < 4 else f"10^{power:.1f} times"
