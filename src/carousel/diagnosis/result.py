"""Everything that was measured on one model, layer by layer, with the findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from carousel.diagnosis.compare import Comparison, compare
from carousel.diagnosis.measures.fixed_points import FixedPoints, resting
from carousel.diagnosis.measures.gates import Course, gates_over_time, tracking_units
from carousel.diagnosis.measures.gradient_by_lag import EXACT_SIZE, GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer
from carousel.diagnosis.measures.impulse_response import ImpulseResponse, struck
from carousel.diagnosis.measures.jacobian_product import Progress, silent
from carousel.diagnosis.measures.linear_memory import LinearMemory, linear_memory
from carousel.diagnosis.measures.lyapunov import Lyapunov, lyapunov
from carousel.diagnosis.measures.memory import Memory, memory
from carousel.diagnosis.measures.saturation import Saturation, saturation
from carousel.diagnosis.measures.spectrum import LARGE, Spectrum, spectrum
from carousel.diagnosis.measures.stability import Stability, stability
from carousel.diagnosis.measures.text_properties import token_properties
from carousel.diagnosis.measures.units import UnitStrip, strips
from carousel.diagnosis.observation.stack import stacked
from carousel.diagnosis.observation.trajectory import Observation, Trajectory
from carousel.diagnosis.parallel import in_turn
from carousel.diagnosis.text import on_cuts, on_impulse, on_linear, on_rest, on_shrinking, on_stability
from carousel.diagnosis.verdicts.findings import Finding
from carousel.diagnosis.verdicts.symptoms import Symptoms, symptoms
from carousel.errors import CarouselError

MOST_LAGS = 256
EXPONENTS = 16  # of the largest
FOLLOWS = 0.3  # correlation on the other half of the text below which a unit is not worth drawing


@dataclass(frozen=True, eq=False)
class LayerDiagnosis:
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
        course: every gate and state over the first sequences.
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
    course: Course
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
            "remembered steps": math.nan if self.memory.grows else self.memory.steps,
            "largest Lyapunov exponent": float(self.lyapunov.exponents[0]),
            "spectral radius of the Jacobian": self.spectrum.radius,
            "flat activations, share": self.symptoms.flatness,
            "saturated activations, share": self.saturation.share,
            "silent units, share": self.symptoms.silent,
        }

    @property
    def sentences(self) -> list[str]:
        """What makes its gradient shrink, what an impulse does, whether it is stable, where it rests, in words."""
        found = (
            on_cuts(self.symptoms.cuts),
            on_shrinking(self.gradient),
            on_impulse(self.impulse),
            on_linear(self.linear),
            on_stability(self.stability),
            on_rest(self.fixed_points),
        )
        return [words for words in found if words]


@dataclass(frozen=True, eq=False)
class StackDiagnosis:
    """All layers of one module together: how the gradient goes back through the whole of it."""

    name: str
    gradient: GradientByLag
    memory: Memory


@dataclass(frozen=True, eq=False)
class TextUnits:
    """Units that follow the text which the first sequence reads: its pieces, and their states on it."""

    pieces: tuple[str, ...]
    strips: tuple[UnitStrip, ...]


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `carousel.diagnose` found.

    Attributes:
        model: its class; parameters: how many numbers it has.
        loss: its value on the batch; loss_words: what it was.
        layers: each recurrent layer and direction.
        findings: causes before what follows from them; a single "no trouble" (and notes) if it is well.
        stacks: modules of several layers, each as one; those with a reverse direction have no such state.
        by_layer: the gradient from layer to layer of the whole model, from the last to the first.
        text: units that follow the text, if one was given.
        cut: whether the batch had resets; each stretch between two is then a sequence of its own.
        unused: recurrent layers that the batch did not reach.
        limits: what was not looked at, in words: other runs of a module, the gradient through several modules.
        seconds: how long it took.
    """

    model: str
    parameters: int
    loss: float | None
    loss_words: str
    layers: tuple[LayerDiagnosis, ...]
    findings: tuple[Finding, ...]
    stacks: tuple[StackDiagnosis, ...] = ()
    by_layer: GradientByLayer | None = None
    text: TextUnits | None = None
    unused: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    cut: bool = False
    seconds: float = field(default=0.0, compare=False)

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

    def compare(self, after: Diagnosis) -> Comparison:
        """What changed from this diagnosis to a later one of the same model."""
        return compare(self, after)

    def save(self, path: str | Path) -> Path:
        """Write one HTML page that opens offline; returns its path."""
        from importlib import import_module

        write: Any = import_module("carousel.report").write_diagnosis
        return Path(write(self, path))

    def __str__(self) -> str:
        from carousel.diagnosis.printed import printed

        return printed(self)


def examine(
    seen: Observation, lags: int | None, instances: int, on_progress: Progress
) -> tuple[list[LayerDiagnosis], list[StackDiagnosis]]:
    """Measure every layer that the batch reached, and every module of several layers that runs forwards as one.

    Raises CarouselError if no sequence has more than one step: nothing then goes back in time.
    """
    short = [each.layer.name for each in seen.trajectories if int(each.lengths.max()) < 2]
    if short:
        raise CarouselError(
            f"{short[0]} was given sequences of a single step, in which nothing goes back in time. Give at least 2 "
            "steps; the first dimension is time unless the module has batch_first=True."
        )
    stacks = [
        stacked(each)
        for each in seen.modules.values()
        if len(each) > 1 and all(one.layer.direction == "forward" for one in each)
    ]
    tasks: list[Callable[[Progress], LayerDiagnosis | StackDiagnosis]] = [
        *(partial(_examine_stack, each, lags, instances) for each in stacks),
        *(partial(_examine, each, lags, instances) for each in seen.trajectories),
    ]
    large = max(each.layer.size for each in seen.trajectories) > EXACT_SIZE
    found = in_turn(tasks, large, on_progress)
    return (
        [each for each in found if isinstance(each, LayerDiagnosis)],
        [each for each in found if isinstance(each, StackDiagnosis)],
    )


def limits(seen: Observation) -> list[str]:
    """What a diagnosis of this model leaves out, in words."""
    said = []
    for path, runs in seen.runs.items():
        said.append(
            f"{path or 'The module'} was run {runs} times, each from a state of its own or with the gradient cut "
            "between them: what is said of it is of the longest run, the first of equals."
        )
    for path, each in seen.modules.items():
        if any(one.layer.direction != "forward" for one in each) and len(each) > 2:
            said.append(
                f"The gradient through all layers of {path or each[0].layer.kind} together was not followed: its "
                "directions read opposite ways, so that the stack has no state that goes from step to step. Each layer "
                "and direction was."
            )
    if len(seen.modules) > 1:
        names = ", ".join(path or each[0].layer.kind for path, each in seen.modules.items())
        said.append(
            f"{names} are modules of their own: worst and typical gradient and memory are of each alone, not through "
            "all of them together. The actual gradient of the loss goes through the whole model."
        )
    return said


def _examine(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Progress
) -> LayerDiagnosis:
    layer = trajectory.layer

    def told(begin: float, part: float) -> Progress:
        return lambda what, share: on_progress(f"{layer.name}: {what}", begin + part * share)

    flow = follow(trajectory, lags, instances, told(0.0, 0.4))
    return LayerDiagnosis(
        layer=layer.name,
        kind=layer.kind,
        hidden=layer.hidden,
        states=layer.states,
        steps=trajectory.steps,
        instances=trajectory.instances,
        gradient=flow,
        spectrum=spectrum(trajectory, steps=8 if layer.size <= EXACT_SIZE else 1, progress=told(0.4, 0.3)),
        lyapunov=lyapunov(trajectory, exponents=min(EXPONENTS, layer.size), progress=told(0.7, 0.3)),
        memory=memory(trajectory, flow),
        saturation=saturation(trajectory),
        stability=stability(trajectory),
        course=gates_over_time(trajectory),
        fixed_points=resting(trajectory),
        impulse=struck(trajectory),
        linear=linear_memory(layer),
        symptoms=symptoms(trajectory, flow),
    )


def _examine_stack(
    whole: Trajectory, lags: int | None, instances: int, on_progress: Progress
) -> StackDiagnosis:
    name = whole.layer.name
    flow = follow(whole, lags, instances, lambda what, share: on_progress(f"{name}: {what}", share))
    return StackDiagnosis(name, flow, memory(whole, flow))


def on_text(layers: Sequence[LayerDiagnosis], text: Sequence[str]) -> TextUnits | None:
    """Units that follow properties of the text, drawn on it; None if there are none.

    Raises CarouselError if there is not one piece of text for each step of the first sequence.
    """
    pieces = list(text)
    courses = [layer.course for layer in layers if layer.course.direction == "forward"]
    lengths = {int(course.lengths[0]) for course in courses}
    if lengths != {len(pieces)}:
        raise CarouselError(
            f"text must hold one string for each step of the first sequence, {max(lengths, default=0)}; it holds "
            f"{len(pieces)}."
        )
    units = tracking_units(courses, token_properties(pieces), number=3) if len(pieces) >= 16 else []
    units = [unit for unit in units if abs(unit.correlation) >= FOLLOWS]
    if not units:
        return None
    shown = strips([course.trace() for course in courses], units, slice(0, len(pieces)))
    return TextUnits(tuple(pieces), tuple(shown))


def follow(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Progress = silent
) -> GradientByLag:
    """The gradient of one layer, as far back as a diagnosis looks."""
    few = {} if trajectory.layer.size <= EXACT_SIZE else {"instances": 1, "number": 8, "iterations": 3}
    return gradient_by_lag(
        trajectory,
        lags=min(MOST_LAGS if lags is None else lags, trajectory.steps),
        progress=on_progress,
        **{"instances": instances, **few},
    )


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
