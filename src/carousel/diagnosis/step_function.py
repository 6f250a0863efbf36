"""The diagnosis of a cell that somebody wrote by hand: a step, and the state before the first one."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from carousel.diagnosis.observation.loss import Loss, loss_words
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.result import Diagnosis
from carousel.diagnosis.usage.check import all_findings, check_usage, sampled_dependencies
from carousel.diagnosis.usage.inputs import Data
from carousel.diagnosis.usage.loss import LastStep
from carousel.diagnosis.usage.probed_run import State, Step, StepLoop
from carousel.diagnosis.verdicts.symptoms import MOST, Symptoms, silent_units, slope
from carousel.errors import CarouselError

SEQUENCES = 4  # of which Jacobians are multiplied
LARGEST = 512  # numbers of a state, up to which they are
LONGER = 10  # times the batch that states must stay within twice their range, to count as bounded
LIMITS = (
    "The layers of a step function are not known: its gradient by lag, memory and silent units were measured from "
    "Jacobians by automatic differentiation, and whether its states are bounded was only observed.",
)


def diagnose_step(
    step: Step, batch: Batch, loss: Loss | None, optimizer: Optimizer | None, state: State
) -> Diagnosis:
    """What `diagnose` says of a step function: how the batch is read, and what the gradient does through time.

    Raises CarouselError for a batch that is not (T, B, I) with at least 2 steps, and for a step that returns no state.
    """
    start = time.perf_counter()
    if not isinstance(batch, Tensor) or batch.dim() != 3 or len(batch) < 2 or not batch.is_floating_point():
        shape = tuple(batch.shape) if isinstance(batch, Tensor) else type(batch).__name__
        raise CarouselError(
            f"With `state`, the batch must be numbers (T, B, I) of at least 2 steps; got {shape}. Stack the inputs of "
            "all steps."
        )
    model = StepLoop(step, state)
    sampled = sampled_dependencies(model, batch)
    data = Data("step", batch, torch.full((batch.shape[1],), len(batch)))
    usage = check_usage(model, batch, loss, optimizer, data, sampled)
    with torch.no_grad():
        value = float((loss or LastStep(0))(model(batch)).sum())
    return Diagnosis(
        model=getattr(step, "__name__", type(step).__name__),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        loss=value,
        loss_words=loss_words(loss),
        layers=(),
        findings=tuple(all_findings(model, [_symptoms(model, batch)], usage)),
        limits=(*usage.limits, *LIMITS),
        read=usage.read,
        usage=usage,
        seconds=time.perf_counter() - start,
    )


def _symptoms(model: StepLoop, batch: Tensor) -> Symptoms:
    with torch.no_grad():
        states = _states(model, batch)
    if states.shape[2] > LARGEST:
        raise CarouselError(
            f"A step function is diagnosed up to {LARGEST} numbers of state; got {states.shape[2]}. Give a smaller "
            "cell, or write it as a carousel.Cell."
        )
    curves, kept = _curves(model, batch, states)
    worst = np.median(curves, axis=1)
    zeros = np.zeros(batch.shape[2])
    return Symptoms(
        layer="step",
        hidden=states.shape[2],
        steps=len(batch),
        rate=slope(worst),
        worst=worst,
        bounded=_seems_bounded(model, batch, states),
        saturated={},
        still=silent_units(states[1:].flatten(0, 1)),
        input_mean=zeros,
        input_deviation=zeros + 1,
        pre_activations={},
        steepest=1.0,
        kept=kept,
        cuts=0,
    )


def _flat(state: Any) -> Tensor:
    return state if isinstance(state, Tensor) else torch.cat([_flat(each) for each in state], -1)


def _unflat(flat: Tensor, like: Any) -> Any:
    if isinstance(like, Tensor):
        return flat
    parts = flat.split([_flat(each).shape[-1] for each in like], -1)
    return type(like)(_unflat(part, each) for part, each in zip(parts, like, strict=True))


def _states(model: StepLoop, batch: Tensor) -> Tensor:
    """(T + 1, B, n), the state before the first step and after each."""
    state, found = model.state, [_flat(model.state)]
    for x in batch:
        _, state = model.advance(x, state)
        found.append(_flat(state))
    return torch.stack(found).detach()


def _curves(model: StepLoop, batch: Tensor, states: Tensor) -> tuple[np.ndarray, float]:
    """ln ||J_T ... J_{T-k+1}|| by lag k and sequence, (T + 1, B'); and ln of what one step keeps, at most steps."""
    count = min(SEQUENCES, batch.shape[1])

    def jacobians(x: Tensor, s: Tensor) -> Tensor:
        """(B', n, n): sequences do not reach each other, so that one backward pass gives a row of each."""
        here = s.clone().requires_grad_()
        new = _flat(model.advance(x, _unflat(here, model.state))[1])
        rows = [
            torch.autograd.grad(
                unit.sum(), here, retain_graph=True, allow_unused=True, materialize_grads=True
            )[0]
            for unit in new.unbind(-1)
            if unit.requires_grad
        ]
        whole = rows or [torch.zeros_like(here)] * new.shape[-1]
        return torch.stack(whole, 1)[:count].double()

    product = torch.eye(states.shape[2], dtype=torch.float64).repeat(count, 1, 1)
    logs, found, norms = torch.zeros(count, dtype=torch.float64), [np.zeros(count)], []
    for t in reversed(range(len(batch))):
        jacobian = jacobians(batch[t], states[t])
        norms.append(torch.linalg.matrix_norm(jacobian, 2).log())
        product = product @ jacobian
        size = torch.linalg.matrix_norm(product, 2)
        logs = logs + size.log()
        product = product / size.clamp(min=1e-300)[:, None, None]
        found.append(logs.numpy().copy())
    return np.array(found), float(np.quantile(torch.stack(norms).numpy(), MOST, method="lower"))


@torch.no_grad()
def _seems_bounded(model: StepLoop, batch: Tensor, states: Tensor) -> bool:
    """Whether states stay within twice their range when the inputs are repeated."""
    longer = _states(StepLoop(model.step, model.state), batch.repeat(LONGER, 1, 1))
    largest = float(longer.abs().max())
    return math.isfinite(largest) and largest <= 2 * float(states.abs().max())
