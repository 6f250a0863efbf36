"""One call: a model and a batch in; what it remembers, what is wrong with it and what to do about it, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

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
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.observation.stack import stacked
from carousel.diagnosis.observation.trajectory import Observation, Trajectory, observe
from carousel.diagnosis.parallel import run_parallel
from carousel.diagnosis.result import Diagnosis, LayerDiagnosis, StackDiagnosis, TextUnits
from carousel.diagnosis.step_function import diagnose_step
from carousel.diagnosis.usage.check import Usage, all_findings, check_usage, sampled_dependencies
from carousel.diagnosis.usage.dependencies import Dependencies
from carousel.diagnosis.usage.inputs import Data
from carousel.diagnosis.usage.loss import LastStep
from carousel.diagnosis.usage.probed_run import State, Step
from carousel.diagnosis.verdicts.findings import Finding
from carousel.diagnosis.verdicts.symptoms import symptoms
from carousel.errors import CarouselError
from carousel.ops import torch_threads
from carousel.progress import Observer, Progress, silent

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
    optimizer: Optimizer | None = None,
    state: State | None = None,
    text: Sequence[str] | None = None,
    lags: int | None = None,
    on_progress: Observer = silent,
) -> Diagnosis:
    """Say whether a recurrent network is stable, how far it remembers, where gradients vanish, and what to do.

    The model does not change: weights, requires_grad, .grad, modes, buffers, hooks and random numbers stay.

    Args:
        model: any module that contains torch.nn's RNN, LSTM, GRU (or their cells), or Carousel's modules.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch).
        loss: a function of the model's output that returns one number. If you pass none, it is the squared norm of the
            last valid output, and the report says so.
        optimizer: what trains the model. With a loss, its parameters, gradients and learning rate are checked, on
            copies.
        state: the state before the first step, of a cell that is written by hand: `model` is then a function or module
            step(x, state) that returns the next state, or (output, next state), and `batch` is (T, B, I). A state is
            a tensor (B, n) or a tuple of them.
        text: what the first sequence of the batch reads, one string for each step (a str for characters). Units that
            follow the text are then drawn on it.
        lags: how far back the gradient is followed, in steps. None: to the start of the batch, at most 256 steps.
        on_progress: is called with a `carousel.progress.Progress` now and then, in the thread that called `diagnose`.

    Returns:
        A Diagnosis: `print` it, `save` it as a page, read its `findings` and `layers`, `compare` it with another.

    Raises:
        CarouselError: the model has no recurrent layer, the batch is empty or does not fit, weights are not finite,
            or the loss cannot be differentiated.

    Source: the measures are those of Pascanu, Mikolov and Bengio (2013), Engelken, Wolf and Abbott (2023) and others;
    each names its own.

    >>> import carousel, torch
    >>> report = carousel.diagnose(torch.nn.LSTM(3, 16), torch.randn(80, 4, 3))
    >>> report.findings[0].name, report.layers[0].layer
    ('no trouble', 'LSTM.l0')
    """
    start = time.perf_counter()
    on_progress(Progress("running the model", 0.0))
    if state is not None:
        with torch_threads(1):
            return diagnose_step(model, batch, loss, optimizer, state)
    if not isinstance(model, nn.Module):
        raise CarouselError(
            f"A model must be a torch.nn.Module; got a {type(model).__name__}. For a function step(x, state), pass the "
            "first state as `state`."
        )
    # steps are many and small: beside other work a team of threads waits for itself (512 units: 29 s against 1.5)
    with torch_threads(1):
        sampled = sampled_dependencies(model, batch)
        asked = loss or _last_step(sampled[0])
        seen = observe(model, batch, asked, **_extent(model))
        if text is not None and seen.cut:
            raise CarouselError(
                "A text cannot be drawn on a batch with resets. Pass `text`, or a batch with resets, but not both."
            )
        usage = check_usage(model, batch, loss, optimizer, _data(seen), sampled)
        layers, stacks = (
            ([], []) if _is_explained(seen, usage) else examine(seen, lags, INSTANCES, on_progress)
        )
    by_layer = _by_layer(model, batch, asked)
    findings = all_findings(model, [layer.symptoms for layer in layers], usage)
    on_progress(Progress("done", 1.0))
    return Diagnosis(
        model=type(model).__name__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        loss=seen.loss,
        loss_words=seen.loss_words,
        layers=tuple(layers),
        findings=tuple(findings),
        stacks=tuple(stacks),
        by_layer=by_layer,
        text=None if text is None else on_text(layers, text),
        unused=tuple(seen.unused),
        limits=(*usage.limits, *limits(seen)),
        cut=seen.cut,
        read=usage.read,
        usage=usage,
        seconds=time.perf_counter() - start,
    )


def judge(
    model: nn.Module, batch: Batch, loss: Loss | None = None, *, optimizer: Optimizer | None = None
) -> list[Finding]:
    """The findings of `diagnose` alone, without the measures that only its report shows.

    Args:
        model, batch, loss, optimizer: as of `diagnose`.

    Raises CarouselError as `diagnose` does. Source: as of `diagnose`.

    >>> import torch
    >>> from carousel.diagnosis import judge
    >>> rnn = torch.nn.RNN(3, 16)
    >>> _ = rnn.weight_hh_l0.data.zero_()
    >>> judge(rnn, torch.randn(50, 4, 3))[0].name
    'memoryless'
    """
    with torch_threads(1):
        sampled = sampled_dependencies(model, batch)
        seen = observe(model, batch, gradients=False, **_extent(model))
        usage = check_usage(model, batch, loss, optimizer, _data(seen), sampled)
        long = [] if _is_explained(seen, usage) else seen.trajectories
        found = [symptoms(each, follow(each, None, INSTANCES)) for each in long]
    return all_findings(model, found, usage)


def _data(seen: Observation) -> Data:
    """What the first layer reads; all sequences of one length, and no resets, say nothing of their ends."""
    first = seen.trajectories[0]
    ragged = int(first.lengths.min()) < first.steps
    return Data(first.layer.name, first.inputs, first.lengths, ends_known=ragged or seen.cut)


def _last_step(found: Dependencies | None) -> Loss | None:
    """The default loss where sizes do not tell steps from sequences; None where they do."""
    if found is None or found.output_time is None or found.steps != found.sequences:
        return None
    return LastStep(found.output_time)


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


def examine(
    seen: Observation, lags: int | None, instances: int, on_progress: Observer
) -> tuple[list[LayerDiagnosis], list[StackDiagnosis]]:
    """Measure every layer that the batch reached, and every module of several layers that runs forwards as one.

    Raises CarouselError if no sequence has more than one step: nothing then goes back in time.
    """
    if short := _short(seen):
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


def _short(seen: Observation) -> list[str]:
    """Layers that were given sequences of one step."""
    return [each.layer.name for each in seen.trajectories if int(each.lengths.max()) < 2]


def _is_explained(seen: Observation, usage: Usage) -> bool:
    """Whether a cause says why layers have sequences of one step, on longer data."""
    found = usage.dependencies
    return bool(_short(seen)) and bool(usage.causes) and found is not None and found.steps > 1


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
    return [*runs, *both_ways, *([several] if len(seen.modules) > 1 else [])]


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
    return None if size > LARGE else fixed_points(trajectory, starts=16 if size <= 64 else 4, descent=50)


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
