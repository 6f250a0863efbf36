"""One headline for how far a layer remembers, out of measures that agree, or with the reason why they do not."""

from __future__ import annotations

import math
from dataclasses import dataclass

AGREE = 2.0  # measures within this factor of each other agree


@dataclass(frozen=True)
class Estimate:
    """A horizon in steps with the interval that the sequences (or units) give it.

    `censored`: it lies beyond the window, which is then all that is known of it.
    """

    steps: float
    low: float
    high: float
    censored: bool
    meaning: str


def headline(estimates: dict[str, Estimate]) -> tuple[float, float, float, bool]:
    """The loss's own horizon where there is one; the interval spans it and the typical gradient."""
    main = estimates.get("mass", estimates["typical"])
    others = [main, estimates["typical"]]
    low, high = min(each.low for each in others), max(each.high for each in others)
    return low, main.steps, high, main.censored


def in_words(layer: str, estimates: dict[str, Estimate], why: str) -> str:
    """The headline as a sentence; if the measures differ a second one, from which to which, and why."""
    return _told(layer, estimates) + _differing(estimates, why)


def _told(layer: str, estimates: dict[str, Estimate]) -> str:
    """Of a memory that the loss and the typical direction tell differently, both."""
    main, typical = estimates.get("mass", estimates["typical"]), estimates["typical"]
    low, steps, high, censored = headline(estimates)
    if censored:
        return f"{layer} remembers at least the {_whole(high)} steps that were looked at."
    if is_split(estimates):
        return f"{layer} remembers about {_about(main)} by what the loss reads, {_about(typical)} by what is typical."
    if _whole(steps) == 0:
        return f"{layer} remembers nothing beyond the current step."
    return f"{layer} remembers about {_about(Estimate(steps, low, high, False, ''))}."


def _about(each: Estimate) -> str:
    """As in 12 steps (10 to 15)."""
    unit = "step" if _whole(each.steps) == 1 else "steps"
    least = "at least " if each.censored else ""
    return f"{least}{_whole(each.steps)} {unit} ({_whole(each.low)} to {_whole(each.high)})"


def _whole(value: float) -> int:
    return max(0, round(value))


def _differing(estimates: dict[str, Estimate], why: str) -> str:
    """From which measure to which, and why; nothing where they agree."""
    if not why:
        return ""
    least, most = (pick(estimates, key=lambda name: estimates[name].steps) for pick in (min, max))
    ends = (f"{_whole(estimates[name].steps)} by {name}" for name in (least, most))
    return f" The measures go from {' to '.join(ends)}: {why}."


def is_split(estimates: dict[str, Estimate]) -> bool:
    if "mass" not in estimates:
        return False
    mass, typical = (max(estimates[name].steps, 1.0) for name in ("mass", "typical"))
    return max(mass, typical) > AGREE * min(mass, typical)


def reconciled(estimates: dict[str, Estimate], quality: float, window: int) -> tuple[bool, str]:
    """Whether all lie within a factor of two; if not the reasons, that of the headline first."""
    values = {name: max(each.steps, 1.0) for name, each in estimates.items()}
    if max(values.values()) <= AGREE * min(values.values()):
        return True, ""
    reasons = []
    if "mass" in values and values["mass"] < values["typical"] / AGREE:
        reasons.append("the loss reads directions that fade faster than the typical one")
    if "mass" in values and values["mass"] > AGREE * values["typical"]:
        reasons.append("the loss reads just the directions that are kept")
    if values["worst"] > AGREE * values["typical"]:
        reasons.append("a few directions are kept much longer than most")
    if "gates" in values and values["gates"] > AGREE * values["typical"]:
        reasons.append("the gates would keep longer than the recurrence and the read-out let through")
    if not math.isnan(quality) and quality < 0.9:
        reasons.append(
            f"the decay is not exponential (R^2 {quality:.2f}), so that one time constant cannot describe it"
        )
    open_ended = [name for name, each in estimates.items() if each.censored]
    if open_ended:
        reasons.append(
            f"by {_listed(open_ended)} the memory is longer than the {window} steps that were looked at"
        )
    return False, "; ".join(reasons or ["directions fade at different speeds"])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
