"""What the measures of one layer say, in words, for whoever prints or draws them."""

from __future__ import annotations

import math

from carousel.diagnosis.by_lag import GradientByLag
from carousel.diagnosis.by_layer import GradientByLayer
from carousel.diagnosis.certificates import Stability
from carousel.diagnosis.equilibria import FixedPoints
from carousel.diagnosis.findings import figure
from carousel.diagnosis.impulse import ImpulseResponse
from carousel.diagnosis.linear import LinearMemory

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
    """How much of the shrinking flat activations do, and how much weights and gates; "" if it does not shrink."""
    share = flow.share_of_activations + 0.0  # -0.0 is 0
    if math.isnan(share):
        return ""
    return (
        f"of the typical gradient's shrinking (on a logarithmic scale) {share:.0%} is by activations that are not at "
        f"their steepest, {1 - share:.0%} by weights and gates"
    )


def on_cuts(number: int) -> str:
    """That J is zero at some steps, which nothing crosses; "" if at none."""
    if not number:
        return ""
    steps = "1 step" if number == 1 else f"{number} steps"
    return (
        f"nothing of the state crosses {steps} of those that were followed, as at a reset; how fast it forgets is that "
        "of the longest stretch between"
    )


def on_rest(found: FixedPoints | None) -> str:
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
    if not found.norms.any():
        return "an impulse in its input changes nothing"
    if found.relative[-1] == 1:
        return f"an impulse in its input still grows after {heard} steps"
    if found.steps is None:
        return f"an impulse in its input has not died away after {heard} steps: {found.relative[-1]:.0%} of it is left"
    steps = "step" if found.steps == 1 else "steps"
    return f"an impulse in its input has died away, to less than 5 %, after {found.steps} {steps}"


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
