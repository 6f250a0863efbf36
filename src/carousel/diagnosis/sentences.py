"""What the measures of one layer say, in words, for whoever prints or draws them."""

from __future__ import annotations

import math

from carousel.diagnosis.by_lag import GradientByLag
from carousel.diagnosis.certificates import Stability
from carousel.diagnosis.equilibria import FixedPoints
from carousel.diagnosis.findings import figure

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
    return f"for bounded inputs {_BOUNDED[found.bounded]} ({found.reason}); {forgets}"


def on_shrinking(flow: GradientByLag) -> str:
    """How much of the shrinking flat activations do, and how much weights and gates; "" if it does not shrink."""
    share = flow.share_of_activations + 0.0  # -0.0 is 0
    if math.isnan(share):
        return ""
    return (
        f"of the typical gradient's shrinking (on a logarithmic scale) {share:.0%} is by activations that are not at "
        f"their steepest, {1 - share:.0%} by weights and gates"
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
