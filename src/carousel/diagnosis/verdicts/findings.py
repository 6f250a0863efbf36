"""What a diagnosis says: a finding with its evidence, the threshold it crossed and what can be done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import fill

from torch import nn

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.errors import CarouselError

NOTE, WARNING, CRITICAL = "note", "warning", "critical"
SEVERITIES = (NOTE, WARNING, CRITICAL)
NO_TROUBLE = "no trouble"
SHOWN = 2  # pieces of evidence that reports print
ROUNDING = 1e-12  # a measured number below is zero: what is left is the error of float64


@dataclass(frozen=True)
class Evidence:
    """One measured number beside the threshold it is held against.

    Attributes:
        what: the quantity, in words.
        value: what was measured.
        threshold: the limit; `above` says on which side of it the trouble lies.
        source: where the threshold comes from.
        unit: of the value, as it is printed behind it.
    """

    what: str
    value: float
    threshold: float
    above: bool
    source: str
    unit: str = ""

    @property
    def crossed(self) -> bool:
        return self.value > self.threshold if self.above else self.value < self.threshold

    def __str__(self) -> str:
        side = "above" if self.above else "below"
        value = f"{figure(self.value)} {self.unit}".rstrip()
        return f"{self.what}: {value} (trouble {side} {figure(self.threshold)}; {self.source})"


@dataclass(frozen=True, repr=False)
class Finding(Brief):
    """One thing that is wrong with some layers, or the statement that nothing is.

    Attributes:
        name: "swapped axes", "unscaled inputs", "vanishing", "chaotic", "dead", "no trouble", ...
        severity: "note", "warning" or "critical".
        layers: names of the layers and directions that it is about; none if it is about the whole model.
        sentence: what is wrong, in words, with the numbers that matter.
        evidence: what was measured, the first number being the one that decided.
        remedies: what can be done, the best first.
    """

    name: str
    severity: str
    layers: tuple[str, ...]
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    @property
    def title(self) -> str:
        """Its name, with the layers that it is about."""
        return f"{self.name} ({', '.join(self.layers)})" if self.layers else self.name

    @property
    def is_trouble(self) -> bool:
        """Whether it is a warning or worse; notes are for information."""
        return self.severity != NOTE

    @property
    def treatment(self) -> Remedy | None:
        """The best remedy that changes weights, or None if there is only advice."""
        return next((remedy for remedy in self.remedies if not remedy.is_advice), None)

    def apply(self, model: nn.Module, remedy: str | None = None) -> list[str]:
        """Treat the `model` in place, by the best remedy or by the `remedy` of that name; what was done, in words.

        A remedy whose `keeps` is false is a new start: train the model again. If all remedies are advice and you name
        none, nothing changes, and the list is empty.

        Raises CarouselError if there is no remedy of that name, or if the one you name is advice.

        >>> import torch, carousel
        >>> rnn = torch.nn.RNN(3, 32)
        >>> _ = rnn.weight_hh_l0.data.mul_(0.3)
        >>> before = carousel.diagnose(rnn, torch.randn(60, 4, 3))
        >>> before.findings[0].name
        'vanishing'
        >>> _ = before.findings[0].apply(rnn)
        >>> carousel.diagnose(rnn, torch.randn(60, 4, 3)).findings[0].name
        'no trouble'
        """
        if remedy is None:
            return [] if self.treatment is None else self.treatment.apply(model)
        chosen = next((each for each in self.remedies if each.name == remedy), None)
        if chosen is None:
            names = ", ".join(repr(each.name) for each in self.remedies) or "none"
            raise CarouselError(
                f"The finding {self.name!r} has no remedy {remedy!r}; its remedies are: {names}."
            )
        return chosen.apply(model)

    def __str__(self) -> str:
        lines = [wrapped(f"{self.severity}: {self.name}. {self.sentence}")]
        lines += [wrapped(f"    measured  {each}", " " * 14) for each in self.evidence[:SHOWN]]
        for number, remedy in enumerate(self.remedies, 1):
            lines.append(wrapped(f"    {number}. {remedy.name} ({remedy.kind}): {remedy.words}", " " * 7))
        return "\n".join(lines)


def wrapped(line: str, indent: str = "    ") -> str:
    """A line of a report, broken between words at 100 columns."""
    return fill(line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def figure(value: float) -> str:
    """A number in three digits; infinity and NaN in words; what is zero to rounding as 0."""
    if math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinity"
    return f"{value:.3g}" if abs(value) > ROUNDING else "0"
