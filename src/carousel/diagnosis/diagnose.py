"""One call: a model and a batch in; what it remembers, what is wrong with it and what to do about it, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from carousel.diagnosis.measures.end_to_end import EndToEnd, end_to_end
from carousel.diagnosis.measures.fixed_points import LARGE, FixedPoints, fixed_points
from carousel.diagnosis.measures.gates import gates_over_time
from carousel.diagnosis.measures.gradient_by_lag import EXACT_SIZE, GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.measures.impulse_response import impulse_response
from carousel.diagnosis.measures.linear_memory import linear_memory
from carousel.diagnosis.measures.lyapunov import lyapunov
from carousel.diagnosis.measures.memory import memory
from carousel.diagnosis.measures.saturation import saturation
from carousel.diagnosis.measures.spectrum import spectrum
from carousel.diagnosis.measures.stability import stability
from carousel.diagnosis.measures.text_properties import text_properties
from carousel.diagnosis.measures.tracking_units import tracking_units, unit_strips
from carousel.diagnosis.observation.layers import RecurrentLayer, is_recurrent
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.observation.stack import stacked
from carousel.diagnosis.observation.step_function import Step, observe_function
from carousel.diagnosis.observation.trajectory import Observation, Trajectory, observe
from carousel.diagnosis.parallel import run_parallel
from carousel.diagnosis.result import Diagnosis, LayerDiagnosis, StackDiagnosis, TextUnits
from carousel.diagnosis.verdicts.findings import Finding
from carousel.diagnosis.verdicts.rules import verdicts
from carousel.diagnosis.verdicts.symptoms import symptoms
from carousel.errors import CarouselError
from carousel.ops import torch_threads
from carousel.progress import Event, Observer, Progress, silent

MOST_LAGS = 256
EXPONENTS = 16  # of the largest
FOLLOWS = 0.3  # correlation on the other half of the text below which a unit is not worth drawing
SMALL = 128  # units of a layer up to which all of the batch is looked at, in float64
INSTANCES = 4  # sequences whose products of Jacobians are followed


def diagnose(
    model: nn.Module | Step,
    batch: Batch,
    loss: Loss | None = None,
    *,
    state: Any = None,
    text: Sequence[str] | None = None,
    lags: int | None = None,
    on_progress: Observer = silent,
) -> Diagnosis:
    """Say whether a recurrent network is stable, how far it remembers, where gradients die, and what to do.

    The model stays as it was: weights, requires_grad, .grad, modes, buffers, hooks and random numbers.

    Args:
        model: any module that holds torch.nn's RNN, LSTM, GRU (or their cells), or Carousel's.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch).
        loss: a function of the model's output that returns one number; None: the squared norm of the last valid
            output, and the report says so.
        state: the state before the first step. `model` is then a function (or module) that makes one step of a cell of
            your own, (x_t, state) -> (output, state) or the state alone, and `batch` is (T, B, ...). Its Jacobians come
            from autograd. Without equations there are no numbers on gates and activations, and no remedies to apply.
        text: what the first sequence of the batch reads, one string for each step (a str for characters): units that
            follow it are then drawn on it.
        lags: how far back the gradient is followed; None: to the start of the batch, at most 256 steps.
        on_progress: called with a `carousel.progress.Progress` now and then: what is being measured and the share that
            is done. It is called in the thread that called this, though large layers are measured by two others.

    Returns:
        A Diagnosis: `print` it, `save` it as a page, read its `findings` and `layers`, `compare` it with another.

    Raises:
        CarouselError: the model holds no recurrent layer, the batch is empty or does not fit, weights are not finite,
            or the loss cannot be differentiated.

    >>> import carousel, torch
    >>> report = carousel.diagnose(torch.nn.LSTM(3, 16), torch.randn(80, 4, 3))
    >>> report.findings[0].name, report.layers[0].layer
    ('no trouble', 'LSTM.l0')
    """
    start = time.perf_counter()
    on_progress(Progress("running the model", 0.0))
    on_progress = _rising(on_progress)
    # steps are many and small: beside other work a team of threads waits for itself (512 units: 29 s against 1.5)
    with torch_threads(1):
        seen = _observed(model, batch, loss, state)
        if text is not None and seen.cut:
            raise CarouselError(
                "A text cannot be drawn on a batch with resets; give the batch or the text alone."
            )
        layers, stacks = examine(seen, lags, INSTANCES, on_progress)
    module = model if isinstance(model, nn.Module) and state is None else None
    by_layer = _by_layer(module, batch, loss) if module is not None else None
    findings = _without_remedies(verdicts([layer.symptoms for layer in layers]), state)
    on_progress(Progress("done", 1.0))
    return Diagnosis(
        model=type(model).__name__ if isinstance(model, nn.Module) else seen.trajectories[0].layer.name,
        parameters=sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else 0,
        loss=seen.loss,
        loss_words=seen.loss_words,
        layers=tuple(layers),
        findings=tuple(findings),
        stacks=tuple(stacks),
        by_layer=by_layer,
        end_to_end=_end_to_end(module, batch, seen) if module is not None else None,
        text=None if text is None else on_text(layers, text),
        unused=tuple(seen.unused),
        limits=tuple(limits(seen)),
        cut=seen.cut,
        seconds=time.perf_counter() - start,
    )


def _end_to_end(model: nn.Module, batch: Batch, seen: Observation) -> EndToEnd | None:
    """Of models that no layer or stack shows whole: several modules, or directions that read opposite ways."""
    both_ways = any(each.layer.direction != "forward" for each in seen.trajectories)
    if len(seen.modules) < 2 and not (both_ways and len(seen.trajectories) > 2):
        return None
    return end_to_end(model, batch)


def judge(
    model: nn.Module | Step, batch: Batch, loss: Loss | None = None, *, state: Any = None
) -> list[Finding]:
    """The findings alone, those of `diagnose`, without the measures that only its report shows.

    >>> import torch
    >>> from carousel.diagnosis import judge
    >>> rnn = torch.nn.RNN(3, 16)
    >>> _ = rnn.weight_hh_l0.data.zero_()
    >>> judge(rnn, torch.randn(50, 4, 3))[0].name
    'memoryless'
    """
    with torch_threads(1):
        seen = _observed(model, batch, loss, state, gradients=False)
        found = verdicts([symptoms(each, follow(each, None, INSTANCES)) for each in seen.trajectories])
        return _without_remedies(found, state)


def _observed(
    model: nn.Module | Step, batch: Batch, loss: Loss | None, state: Any, gradients: bool = True
) -> Observation:
    if state is not None:
        return observe_function(model, batch, state, loss, gradients=gradients)
    if not isinstance(model, nn.Module):
        raise CarouselError(
            "A function that steps a cell needs the state before its first step: diagnose(step, batch, state=...). A "
            f"model must be a torch.nn.Module; got a {type(model).__name__}."
        )
    return observe(model, batch, loss, gradients=gradients, **_extent(model))


def _without_remedies(findings: list[Finding], state: Any) -> list[Finding]:
    """Of a function no remedy can change the weights."""
    return findings if state is None else [replace(each, remedies=()) for each in findings]


def _extent(model: nn.Module) -> dict[str, Any]:
    """All sequences in float64 where layers are small; a few in float32 where that would take minutes."""
    return (
        {"instances": None} if _largest(model) <= SMALL else {"instances": INSTANCES, "dtype": torch.float32}
    )


def _largest(model: nn.Module) -> int:
    """Units of the largest recurrent layer; 0 if there is none."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return max((int(each.hidden_size) for each in modules if is_recurrent(each)), default=0)  # type: ignore[arg-type]


def _by_layer(model: nn.Module, batch: Batch, loss: Loss | None) -> GradientByLayer | None:
    """None of a model that is one layer and nothing else; a large one is not copied."""
    layers = [
        each for each in model.modules() if is_recurrent(each) or not any(True for _ in each.children())
    ]
    double = _largest(model) <= SMALL
    return gradient_by_layer(model, batch, loss, double=double) if len(layers) > 1 else None


def _rising(on_progress: Observer) -> Observer:
    """Measures that go several ways begin again each time; the share that is told never falls."""
    highest = 0.0

    def rising(event: Event) -> None:
        nonlocal highest
        highest = max(highest, event.share or 0.0)
        on_progress(Progress(str(event), highest))

    return rising


def examine(
    seen: Observation, lags: int | None, instances: int, on_progress: Observer
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


def limits(seen: Observation) -> list[str]:
    """What a diagnosis of this model leaves out, in words."""
    said = [
        f"{path or 'The module'} reads what it put out before. The loop through its output was not followed: its worst "
        "and typical gradient, exponents and memory are those of the open loop, with the inputs of this batch. To "
        "measure the closed loop, pass a function that makes one step of all of it, and `state`."
        for path in seen.reads_itself
    ]
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
