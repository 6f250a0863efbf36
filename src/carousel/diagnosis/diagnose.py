"""One call: a model and a batch in; what it remembers, what is wrong with it and what to do about it, out."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from carousel.diagnosis.layer_measures import examine, follow, limits, on_text, short_layers
from carousel.diagnosis.measures.end_to_end import EndToEnd, end_to_end
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch, NoGradient, call_model, recording
from carousel.diagnosis.observation.side_effects import same_random_numbers, without_side_effects
from carousel.diagnosis.observation.step_function import Step, observe_function
from carousel.diagnosis.observation.trajectory import Observation, observe
from carousel.diagnosis.result import Diagnosis
from carousel.diagnosis.usage.check import Usage, all_findings, check_usage, sampled_dependencies
from carousel.diagnosis.usage.dependencies import Dependencies
from carousel.diagnosis.usage.inputs import Data, without_missing
from carousel.diagnosis.usage.loss import LastStep
from carousel.diagnosis.usage.probed_run import FAILURES, State, StepLoop
from carousel.diagnosis.usage.training import as_optimizers
from carousel.diagnosis.verdicts.findings import Finding
from carousel.diagnosis.verdicts.symptoms import symptoms
from carousel.errors import CarouselError
from carousel.notebook import notebook_line
from carousel.ops import torch_threads
from carousel.progress import Observer, Progress

SMALL = 128  # units of a layer up to which all of the batch is looked at, in float64
INSTANCES = 4  # sequences whose products of Jacobians are followed


def diagnose(
    model: nn.Module | Step,
    batch: Batch,
    loss: Loss | None = None,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    state: State | None = None,
    text: Sequence[str] | None = None,
    lags: int | None = None,
    on_progress: Observer = notebook_line,
) -> Diagnosis:
    """Say whether a recurrent network is stable, how far it remembers, where gradients vanish, and what to do.

    The model does not change: weights, requires_grad, .grad, modes, buffers, hooks and random numbers stay.

    Args:
        model: any module that contains torch.nn's RNN, LSTM, GRU (or their cells), or Carousel's modules.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch).
        loss: a function of the model's output that returns one number. If you pass none, it is the squared norm of the
            last valid output, and the report says so.
        optimizer: what trains the model, one optimizer or a list of them. With a loss, its parameters, gradients and
            learning rate are checked, on copies.
        state: the state before the first step, a tensor (B, n) or a tuple of them. `model` is then a function (or
            module) that makes one step of a cell of your own, (x_t, state) -> (output, state) or the state alone, and
            `batch` is (T, B, ...). Its Jacobians come from autograd. Without equations there are no numbers on gates
            and activations, and no remedies to apply.
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
    # steps are many and small: beside other work a team of threads waits for itself (512 units: 29 s against 1.5)
    with torch_threads(1), same_random_numbers():
        used, loss = _as_module(model, batch, state), _own(loss, model)
        batch, missing = _filled(used, batch)
        sampled = sampled_dependencies(used, batch)
        asked = loss or _last_step(sampled[0])
        seen, is_cut = _followed(model, batch, asked, state, given=loss is not None)
        if text is not None and seen.cut:
            raise CarouselError(
                "A text cannot be drawn on a batch with resets. Pass `text`, or a batch with resets, but not both."
            )
        usage = check_usage(used, batch, loss, as_optimizers(optimizer), _data(seen, missing), sampled)
        layers, stacks = (
            ([], []) if is_cut or _is_explained(seen, usage) else examine(seen, lags, INSTANCES, on_progress)
        )
        by_layer = _by_layer(used, batch, asked) if state is None and not is_cut else None
        findings = all_findings(used, [layer.symptoms for layer in layers], usage)
    on_progress(Progress("done", 1.0))
    return Diagnosis(
        model=type(model).__name__ if isinstance(model, nn.Module) else seen.trajectories[0].layer.name,
        parameters=sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else 0,
        loss=seen.loss,
        loss_words=seen.loss_words + (", with 0 for the missing numbers" if missing else ""),
        layers=tuple(layers),
        findings=tuple(findings),
        stacks=tuple(stacks),
        by_layer=by_layer,
        end_to_end=_end_to_end(used, batch, seen) if state is None else None,
        text=None if text is None else on_text(layers, text),
        unused=tuple(seen.unused),
        limits=(*usage.limits, *limits(seen)),
        cut=seen.cut,
        read=usage.read,
        usage=usage,
        seconds=time.perf_counter() - start,
    )


def _end_to_end(model: nn.Module, batch: Batch, seen: Observation) -> EndToEnd | None:
    """Of models that no layer or stack shows whole: several modules, or directions that read opposite ways."""
    both_ways = any(each.layer.direction != "forward" for each in seen.trajectories)
    if len(seen.modules) < 2 and not (both_ways and len(seen.trajectories) > 2):
        return None
    try:
        return end_to_end(model, batch)
    except (*FAILURES, CarouselError):  # of an output without steps, or of which only a loss knows the tensor
        return None


def judge(
    model: nn.Module | Step,
    batch: Batch,
    loss: Loss | None = None,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    state: State | None = None,
) -> list[Finding]:
    """The findings of `diagnose` alone, without the measures that only its report shows.

    Args:
        model, batch, loss, optimizer, state: as of `diagnose`.

    Raises CarouselError as `diagnose` does. Source: as of `diagnose`.

    >>> import torch
    >>> from carousel.diagnosis import judge
    >>> rnn = torch.nn.RNN(3, 16)
    >>> _ = rnn.weight_hh_l0.data.zero_()
    >>> judge(rnn, torch.randn(50, 4, 3))[0].name
    'memoryless'
    """
    with torch_threads(1), same_random_numbers():
        used, loss = _as_module(model, batch, state), _own(loss, model)
        batch, missing = _filled(used, batch)
        sampled = sampled_dependencies(used, batch)
        seen = _observed(model, batch, None, state, gradients=False)
        usage = check_usage(used, batch, loss, as_optimizers(optimizer), _data(seen, missing), sampled)
        long = [] if _is_explained(seen, usage) else seen.trajectories
        found = [symptoms(each, follow(each, None, INSTANCES)) for each in long]
        return all_findings(used, found, usage)


def _as_module(model: nn.Module | Step, batch: Batch, state: State | None) -> nn.Module:
    """The model, or what steps a function over a batch from a state."""
    if state is not None:
        return StepLoop(model, state)
    if not isinstance(model, nn.Module):
        raise CarouselError(
            "A function that steps a cell needs the state before its first step: diagnose(step, batch, state=...). A "
            f"model must be a torch.nn.Module; got a {type(model).__name__}."
        )
    return model


def _followed(
    model: nn.Module | Step, batch: Batch, loss: Loss | None, state: State | None, given: bool
) -> tuple[Observation, bool]:
    """What was observed, and whether no gradient of a loss that was given leads to a recurrent layer."""
    try:
        return _observed(model, batch, loss, state), False
    except NoGradient:
        if not given:
            raise
        return _observed(model, batch, None, state, gradients=False), True


def _observed(
    model: nn.Module | Step, batch: Batch, loss: Loss | None, state: State | None, gradients: bool = True
) -> Observation:
    if state is not None or not isinstance(model, nn.Module):
        return observe_function(model, batch, state, loss, gradients=gradients)
    return observe(model, batch, loss, gradients=gradients, **_extent(model))


def _own(loss: Loss | None, model: object) -> Loss | None:
    """A copy of a loss that is a module with numbers of its own, which may change whenever it is called."""
    shared = set(model.parameters()) if isinstance(model, nn.Module) else set()
    if not isinstance(loss, nn.Module) or shared & set(loss.parameters()):
        return loss
    return copy.deepcopy(loss)


def _filled(model: nn.Module, batch: Batch) -> tuple[Batch, int]:
    """The batch with 0 for numbers that are NaN or infinite, and how many; as it is if no layer reads these."""
    filled, missing = without_missing(batch)
    if not missing or isinstance(model, StepLoop):
        return filled, missing
    try:
        with without_side_effects(model) as twin, torch.no_grad(), recording(twin):
            call_model(twin, batch)
    except CarouselError:
        return filled, missing
    return batch, 0


def _data(seen: Observation, missing: int) -> Data:
    """What the first layer reads; all sequences of one length, and no resets, say nothing of their ends."""
    first = seen.trajectories[0]
    start = first.states[0]
    return Data(
        first.layer.name,
        first.inputs,
        first.lengths,
        ends_known=int(first.lengths.min()) < first.steps or seen.cut,
        start_varies=bool((start != start[0]).any() or (len(start) == 1 and start.any())),
        missing=missing,
    )


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


def _is_explained(seen: Observation, usage: Usage) -> bool:
    """Whether a cause says why layers have sequences of one step, on longer data."""
    found = usage.dependencies
    return bool(short_layers(seen)) and bool(usage.causes) and found is not None
