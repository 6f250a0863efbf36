"""Everything that was measured on one model, layer by layer, with the findings; and how it is printed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.compare import Comparison, compare
from carousel.diagnosis.measures.end_to_end import EndToEnd
from carousel.diagnosis.measures.fixed_points import FixedPoints
from carousel.diagnosis.measures.gates import GateSeries
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.measures.impulse_response import ImpulseResponse
from carousel.diagnosis.measures.linear_memory import LinearMemory
from carousel.diagnosis.measures.lyapunov import Lyapunov
from carousel.diagnosis.measures.memory import Memory
from carousel.diagnosis.measures.saturation import Saturation
from carousel.diagnosis.measures.spectrum import LARGE, Spectrum
from carousel.diagnosis.measures.stability import Stability
from carousel.diagnosis.measures.tracking_units import UnitStrip
from carousel.diagnosis.observation.step_function import FUNCTION
from carousel.diagnosis.text import (
    on_cuts,
    on_fixed_points,
    on_impulse,
    on_layers,
    on_linear,
    on_shrinking,
    on_stability,
)
from carousel.diagnosis.usage.check import Usage
from carousel.diagnosis.verdicts.findings import Finding, figure, wrapped
from carousel.diagnosis.verdicts.symptoms import Symptoms
from carousel.shown import Shown

COLUMNS = 4  # layers beside each other in the table of numbers


@dataclass(frozen=True, eq=False, repr=False)
class LayerDiagnosis(Brief):
    """One layer and direction.

    Attributes:
        layer: its name; kind: "LSTM"; hidden: H; states: ("h", "c").
        steps, instances: T and B of what was seen.
        gradient: worst, typical and actual gradient by lag, with the bound.
        spectrum: of the recurrent weights, gate by gate, and of the Jacobian on the way.
        lyapunov: exponents, with their running means.
        memory: how many steps it remembers, by every definition.
        saturation: of each gate and activation, by unit and over time.
        stability: bounds on its states, and whether it contracts.
        gates: every gate and state over the first sequences.
        fixed_points: under the mean input, from a few starts; None if the state has more than 256 numbers.
        impulse: what follows an impulse in the inputs that vary most.
        linear: Fisher memory and capacity; None of a layer that is not linear.
        symptoms: the numbers that verdicts are made from.
    """

    layer: str
    kind: str
    hidden: int
    states: tuple[str, ...]
    steps: int
    instances: int
    gradient: GradientByLag
    spectrum: Spectrum
    lyapunov: Lyapunov
    memory: Memory
    saturation: Saturation
    stability: Stability
    gates: GateSeries
    fixed_points: FixedPoints | None
    impulse: ImpulseResponse
    linear: LinearMemory | None
    symptoms: Symptoms

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The numbers to compare layers and diagnoses by."""
        return {
            "worst direction, nats per step": self.symptoms.rate,
            "typical direction, nats per step": self.gradient.rate("log_typical"),
            "remembered steps": self._remembered,
            "largest Lyapunov exponent": float(self.lyapunov.exponents[0]),
            "spectral radius of the Jacobian": self.spectrum.radius,
            "saturated activations, share": self.symptoms.saturation,
            "silent units, share": self.symptoms.silent,
        }

    @property
    def _remembered(self) -> float:
        """In steps: no number if the gradient grows all the way back, and all of them if memory reaches beyond them."""
        if self.memory.grows:
            return math.nan
        return float(self.memory.window) if self.memory.censored else self.memory.steps

    @property
    def sentences(self) -> list[str]:
        """What makes its gradient shrink, what an impulse does, whether it is stable, where it rests, in words."""
        found = (
            on_cuts(self.symptoms.cuts),
            on_shrinking(self.gradient),
            on_impulse(self.impulse),
            on_linear(self.linear),
            on_stability(self.stability),
            "" if self.kind == FUNCTION else on_fixed_points(self.fixed_points),
        )
        return [words for words in found if words]


@dataclass(frozen=True, eq=False, repr=False)
class StackDiagnosis(Brief):
    """All layers of one module together: how the gradient goes back through the whole of it."""

    name: str
    gradient: GradientByLag
    memory: Memory


@dataclass(frozen=True, eq=False, repr=False)
class TextUnits(Brief):
    """Units that follow the text which the first sequence reads: its pieces, and their states on it."""

    pieces: tuple[str, ...]
    strips: tuple[UnitStrip, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Shown):
    """What `carousel.diagnose` found.

    Attributes:
        model: its class; parameters: how many numbers it has.
        loss: its value on the batch; loss_words: what it was.
        layers: each recurrent layer and direction.
        findings: causes before what follows from them; a single "no trouble" (and notes) if it is well.
        stacks: modules of several layers, each as one; those with a reverse direction have no such state.
        by_layer: the gradient from layer to layer of the whole model, from the last to the first.
        end_to_end: what the output sees of the inputs, of several modules in sequence or of both directions; else None.
        text: units that follow the text, if one was given.
        cut: whether the batch had resets; each stretch between two is then a sequence of its own.
        read: how the batch was read: steps, sequences and inputs.
        usage: how the model is used: dependencies, and the loss beside chance.
        source: where the model and the batch come from, in words; "" if they were given as objects.
        unused: recurrent layers that the batch did not reach.
        limits: what was not looked at, in words: other runs of a module, the gradient through several modules.
        seconds: how long it took.

    >>> import torch, carousel
    >>> rnn, x = torch.nn.RNN(3, 24), torch.randn(50, 4, 3)
    >>> _ = rnn.weight_hh_l0.data.mul_(0.3)
    >>> before = carousel.diagnose(rnn, x)
    >>> _ = torch.nn.init.orthogonal_(rnn.weight_hh_l0)
    >>> [finding.name for finding in before.compare(carousel.diagnose(rnn, x)).cured]
    ['vanishing']
    """

    model: str
    parameters: int
    loss: float | None
    loss_words: str
    layers: tuple[LayerDiagnosis, ...]
    findings: tuple[Finding, ...]
    stacks: tuple[StackDiagnosis, ...] = ()
    by_layer: GradientByLayer | None = None
    end_to_end: EndToEnd | None = None
    text: TextUnits | None = None
    unused: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    cut: bool = False
    read: str = ""
    usage: Usage | None = None
    source: str = ""
    seconds: float = 0.0

    @property
    def troubles(self) -> list[Finding]:
        """The findings that are warnings or worse."""
        return [finding for finding in self.findings if finding.is_trouble]

    @property
    def methods(self) -> list[str]:
        """Which numbers are exact and which are estimates, in words."""
        ways: dict[str, list[str]] = {}  # most layers of a model are measured alike: said once
        for layer in self.layers:
            ways.setdefault(_method(layer), []).append(layer.layer)
        for stack in self.stacks:
            ways.setdefault(f"gradient by lag {stack.gradient.method}", []).append(stack.name)
        return [f"{', '.join(names)}: {words}" for words, names in ways.items()]

    @property
    def numbers(self) -> dict[str, dict[str, float]]:
        """Layer -> its numbers."""
        return {layer.layer: layer.numbers for layer in self.layers}

    def compare(self, after: Diagnosis) -> Comparison:
        """What changed from this diagnosis to one made `after` it, of the same model.

        Raises CarouselError if they have no layer in common.
        """
        return compare(self.numbers, after.numbers, self.troubles, after.troubles)

    def __repr__(self) -> str:
        names = ", ".join(finding.name for finding in self.findings)
        return (
            f"<Diagnosis of {self.model}, {self.parameters:,} parameters: {names}; print it for the report>"
        )

    def __str__(self) -> str:
        return printed(self)


def _method(layer: LayerDiagnosis) -> str:
    exact = layer.lyapunov.size <= LARGE
    spectra = (
        "exact" if exact else "eigenvalues in float32 and norms of powers from below, by power iteration"
    )
    steps = len(layer.spectrum.jacobians)
    return (
        f"gradient by lag {layer.gradient.method}; {len(layer.lyapunov.exponents)} of {layer.lyapunov.size} Lyapunov "
        f"exponents by QR over {layer.lyapunov.steps} steps after {layer.lyapunov.transient}; Jacobians at {steps} "
        f"step{'s' if steps > 1 else ''}, {spectra}"
    )


def printed(diagnosis: Diagnosis) -> str:
    """The whole report as text."""
    value = "" if diagnosis.loss is None else f" = {figure(diagnosis.loss)}"
    head = f"{diagnosis.model}, {diagnosis.parameters:,} parameters; loss: {diagnosis.loss_words}{value}"
    parts = [
        [wrapped(each) for each in (diagnosis.read, diagnosis.source, head) if each],
        list(_findings(diagnosis)),
        list(_remembered(diagnosis)),
        list(_numbers(diagnosis.layers)),
        list(_sentences(diagnosis)),
        list(_methods(diagnosis)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _findings(diagnosis: Diagnosis) -> Iterator[str]:
    for number, finding in enumerate(diagnosis.findings):
        yield str(finding)
        if finding.is_trouble and finding.treatment is not None:
            yield f"    to apply {finding.treatment.name}: report.findings[{number}].apply(model)"


def _remembered(diagnosis: Diagnosis) -> Iterator[str]:
    """Of whole modules first; where estimates differ, why."""
    for each in [stack.memory for stack in diagnosis.stacks] + [layer.memory for layer in diagnosis.layers]:
        yield wrapped(each.words)
    if diagnosis.end_to_end is not None:
        yield wrapped(diagnosis.end_to_end.words)


def _numbers(layers: Sequence[LayerDiagnosis]) -> Iterator[str]:
    """A row for each number, a column for each layer."""
    for first in range(0, len(layers), COLUMNS):
        some = layers[first : first + COLUMNS]
        cells = [figure(value) for each in some for value in each.numbers.values()]
        wide = max(12, *map(len, cells), *(len(each.layer) for each in some)) + 2
        left = max(len(name) for name in some[0].numbers)
        yield " " * left + "".join(each.layer.rjust(wide) for each in some)
        yield " " * left + "".join(f"{each.kind}, {each.hidden}".rjust(wide) for each in some)
        for name in some[0].numbers:
            yield name.ljust(left) + "".join(figure(each.numbers[name]).rjust(wide) for each in some)


def _sentences(diagnosis: Diagnosis) -> Iterator[str]:
    if words := on_layers(diagnosis.by_layer):
        yield wrapped(words)
    for layer in diagnosis.layers:
        yield wrapped(f"{layer.layer}: {' '.join(layer.sentences)}")


def _methods(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.cut:
        yield "The batch has resets: each stretch between two is a sequence of its own."
    for each in diagnosis.limits:
        yield wrapped(each)
    if diagnosis.unused:
        yield wrapped(f"Not reached by this batch: {', '.join(diagnosis.unused)}.")
    for each in diagnosis.methods:
        yield wrapped(f"method: {each}")
    yield f"took {diagnosis.seconds:.1f} s"
