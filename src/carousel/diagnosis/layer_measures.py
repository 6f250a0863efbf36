"""Measure every layer that a batch reached, and every module of several layers as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from carousel.diagnosis.measures.fixed_points import LARGE, FixedPoints, fixed_points
from carousel.diagnosis.measures.gates import gates_over_time
from carousel.diagnosis.measures.gradient_by_lag import EXACT_SIZE, GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.impulse_response import impulse_response
from carousel.diagnosis.measures.linear_memory import linear_memory
from carousel.diagnosis.measures.lyapunov import lyapunov
from carousel.diagnosis.measures.memory import memory
from carousel.diagnosis.measures.saturation import saturation
from carousel.diagnosis.measures.spectrum import spectrum
from carousel.diagnosis.measures.stability import stability
from carousel.diagnosis.measures.text_properties import text_properties
from carousel.diagnosis.measures.tracking_units import tracking_units, unit_strips
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.stack import stacked
from carousel.diagnosis.observation.trajectory import Observation, Trajectory
from carousel.diagnosis.parallel import run_parallel
from carousel.diagnosis.result import LayerDiagnosis, StackDiagnosis, TextUnits
from carousel.diagnosis.verdicts.symptoms import symptoms
from carousel.errors import CarouselError
from carousel.progress import Observer, Progress, silent

MOST_LAGS = 256
EXPONENTS = 16  # of the largest
FOLLOWS = 0.3  # correlation on the other half of the text below which a unit is not worth drawing


def examine(
    seen: Observation, lags: int | None, instances: int, on_progress: Observer
) -> tuple[list[LayerDiagnosis], list[StackDiagnosis]]:
    """Measure every layer that the batch reached, and every module of several layers that runs forwards as one.

    Raises CarouselError if no sequence has more than one step: nothing then goes back in time.
    """
    if short := short_layers(seen):
        raise CarouselError(
            f"A sequence must have at least 2 steps; {short[0]} was given sequences of 1. The first dimension is time "
            "unless the module has batch_first=True."
        )
    stacks = [
        stacked(each)
        for each in seen.modules.values()
        if len(each) > 1 and all(one.layer.direction == "forward" for one in each)
    ]
    tasks: list[Callable[[Observer], LayerDiagnosis | StackDiagnosis]] = [
        *(partial(_examine_stack, each, lags, instances) for each in stacks),
        *(partial(_examine, each, lags, instances) for each in seen.trajectories),
    ]
    large = max(each.layer.size for each in seen.trajectories) > EXACT_SIZE
    found = run_parallel(tasks, large, on_progress)
    return (
        [each for each in found if isinstance(each, LayerDiagnosis)],
        [each for each in found if isinstance(each, StackDiagnosis)],
    )


def short_layers(seen: Observation) -> list[str]:
    """Layers that were given sequences of one step."""
    return [each.layer.name for each in seen.trajectories if int(each.lengths.max()) < 2]


def limits(seen: Observation) -> list[str]:
    """What a diagnosis of this model leaves out, in words."""
    runs = [
        f"{path or 'The module'} was run {number} times, each from a state of its own or with the gradient cut between "
        "two runs. What is said of it is of the longest run, or the first of several longest."
        for path, number in seen.runs.items()
    ]
    both_ways = [
        f"The gradient through all layers of {path or each[0].layer.kind} together was not followed, because its "
        "directions read opposite ways. Each layer and direction was followed alone."
        for path, each in seen.modules.items()
        if any(one.layer.direction != "forward" for one in each) and len(each) > 2
    ]
    names = ", ".join(path or each[0].layer.kind for path, each in seen.modules.items())
    several = (
        f"{names} are separate modules: worst and typical gradient and memory are of each alone, not through all of "
        "them together. The actual gradient of the loss goes through the whole model."
    )
    itself = [
        f"{path or 'The module'} reads its own earlier output. The loop through its output was not followed: its worst "
        "and typical gradient, exponents and memory are those of the open loop, with the inputs of this batch. To "
        "measure the closed loop, pass a function that makes one step of all of it, and `state`."
        for path in seen.reads_itself
    ]
    return [*itself, *runs, *both_ways, *([several] if len(seen.modules) > 1 else [])]


def _examine(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Observer
) -> LayerDiagnosis:
    layer = trajectory.layer

    def within(begin: float, part: float) -> Observer:
        return lambda event: on_progress(
            Progress(f"{layer.name}: {event}", begin + part * (event.share or 0.0))
        )

    flow = follow(trajectory, lags, instances, within(0.0, 0.4))
    return LayerDiagnosis(
        layer=layer.name,
        kind=layer.kind,
        hidden=layer.hidden,
        states=layer.states,
        steps=trajectory.steps,
        instances=trajectory.instances,
        gradient=flow,
        spectrum=spectrum(
            trajectory, steps=8 if layer.size <= EXACT_SIZE else 1, on_progress=within(0.4, 0.3)
        ),
        lyapunov=lyapunov(trajectory, exponents=min(EXPONENTS, layer.size), on_progress=within(0.7, 0.3)),
        memory=memory(trajectory, flow),
        saturation=saturation(trajectory),
        stability=stability(trajectory),
        gates=gates_over_time(trajectory),
        fixed_points=_fixed_points(trajectory),
        impulse=impulse_response(trajectory),
        linear=linear_memory(layer),
        symptoms=symptoms(trajectory, flow),
    )


def _fixed_points(trajectory: Trajectory) -> FixedPoints | None:
    """Under the mean input, from few starts; None of states so large that each start takes seconds."""
    size = trajectory.layer.size
    known = isinstance(trajectory.layer, RecurrentLayer) or trajectory.states.dtype == torch.float64
    return (
        None
        if size > LARGE or not known
        else fixed_points(trajectory, starts=16 if size <= 64 else 4, descent=50)
    )


def _examine_stack(
    whole: Trajectory, lags: int | None, instances: int, on_progress: Observer
) -> StackDiagnosis:
    name = whole.layer.name
    flow = follow(
        whole, lags, instances, lambda event: on_progress(Progress(f"{name}: {event}", event.share or 0.0))
    )
    return StackDiagnosis(name, flow, memory(whole, flow))


def on_text(layers: Sequence[LayerDiagnosis], text: Sequence[str]) -> TextUnits | None:
    """Units that follow properties of the text, drawn on it; None if there are none.

    Raises CarouselError if there is not one piece of text for each step of the first sequence.
    """
    pieces = list(text)
    series = [layer.gates for layer in layers if layer.gates.direction == "forward"]
    lengths = {int(each.lengths[0]) for each in series}
    if lengths != {len(pieces)}:
        raise CarouselError(
            f"text must hold one string for each step of the first sequence, {max(lengths, default=0)}; it holds "
            f"{len(pieces)}."
        )
    traces = [each.trace() for each in series]
    units = tracking_units(traces, text_properties(pieces), number=3) if len(pieces) >= 16 else []
    units = [unit for unit in units if abs(unit.correlation) >= FOLLOWS]
    if not units:
        return None
    return TextUnits(tuple(pieces), tuple(unit_strips(traces, units, slice(0, len(pieces)))))


def follow(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Observer = silent
) -> GradientByLag:
    """The gradient of one layer, as far back as a diagnosis looks."""
    few = {} if trajectory.layer.size <= EXACT_SIZE else {"instances": 1, "number": 8, "iterations": 3}
    return gradient_by_lag(
        trajectory,
        lags=min(MOST_LAGS if lags is None else lags, trajectory.steps),
        on_progress=on_progress,
        **{"instances": instances, **few},
    )
