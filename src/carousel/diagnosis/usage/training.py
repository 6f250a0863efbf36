"""How a model is trained: which parameters an optimizer moves, and what its next step does to the loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch, call_model
from carousel.diagnosis.verdicts.findings import CRITICAL, WARNING, Evidence, Finding, figure
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS

# of the learning rate, that are tried
FACTORS = (0.3, 0.1, 0.03, 0.01, 1e-3, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
STEPS = 3  # of the optimizer, on copies
DONE = 1e-6  # a loss below which rises are rounding


@dataclass(frozen=True, repr=False)
class Trial(Brief):
    """What a few steps with the learning rate times `factor` do on one batch.

    Attributes:
        factor: of the learning rate.
        losses: before the first step and after each.
        update: norm of the first step relative to the norm of all parameters.
    """

    factor: float
    losses: tuple[float, ...]
    update: float

    @property
    def fall(self) -> float:
        """The share by which the loss falls from first to last; below 0 it rises, -inf if it is no number."""
        first, last = self.losses[0], self.losses[-1]
        return (first - last) / max(abs(first), 1e-30) if math.isfinite(last) else -math.inf


def check_training(model: nn.Module, batch: Batch, loss: Loss, optimizer: Optimizer) -> list[Finding]:
    """What is wrong with the parameters that an optimizer moves and with its learning rate."""
    found = [*_outside(model, optimizer), *_accumulated(model, batch, loss, optimizer)]
    return found or list(_rates(model, batch, loss, optimizer))


def check_gradients(model: nn.Module, unused: tuple[str, ...]) -> list[Finding]:
    """Parameters that a loss does not reach, though they ask for a gradient."""
    if not unused:
        return []
    number = sum(1 for p in model.parameters() if p.requires_grad)
    sentence = (
        f"The loss does not depend on {len(unused)} of {number} parameters, so that they are never trained: "
        f"{_names(unused)}."
    )
    what = "parameters without a gradient"
    evidence = Evidence(what, len(unused), 0, True, "the loss", f"of {number} parameters")
    return [Finding("parameters without a gradient", WARNING, (), sentence, (evidence,), (_CONNECT,))]


def _outside(model: nn.Module, optimizer: Optimizer) -> Iterator[Finding]:
    moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    left = [name for name, p in named if id(p) not in moved]
    if left:
        sentence = (
            f"The optimizer does not hold {len(left)} of {len(named)} parameters, so that they stay as they are: "
            f"{_names(left)}."
        )
        what = "parameters outside the optimizer"
        evidence = Evidence(what, len(left), 0, True, "the optimizer", f"of {len(named)} parameters")
        severity = CRITICAL if len(left) == len(named) else WARNING
        add = Remedy(
            "add the parameters",
            "give the optimizer all parameters of this model, after the model has its final layers and device",
            "torch.optim",
            True,
            partial(_add, optimizer=optimizer, names=tuple(left)),
        )
        yield Finding("parameters outside the optimizer", severity, (), sentence, (evidence,), (add,))


def _add(model: nn.Module, optimizer: Optimizer, names: tuple[str, ...]) -> list[str]:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    missing = [p for name, p in model.named_parameters() if name in names and id(p) not in held]
    if missing:
        optimizer.add_param_group({"params": missing})
    return [f"{len(missing)} parameters added to the optimizer"] if missing else []


def accumulation(model: nn.Module, gradients: dict[str, Tensor]) -> float:
    """How many times as large the gradients that the parameters hold are as fresh ones of a batch; NaN if unknown."""
    held = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and name in gradients}
    fresh = math.hypot(*(float(gradients[name].norm()) for name in held)) if held else 0.0
    whole = math.hypot(*(float(each.norm()) for each in held.values() if each is not None)) if held else 0.0
    return whole / fresh if fresh > 0 else math.nan


def _accumulated(model: nn.Module, batch: Batch, loss: Loss, optimizer: Optimizer) -> Iterator[Finding]:
    """After a few steps the gradients that are held are those of one batch, not their sum."""
    taken = max((int(state.get("step", 0)) for state in optimizer.state.values()), default=0)
    copied = copy.deepcopy(model).eval()
    gradients = torch.autograd.grad(
        loss(call_model(copied, batch)).sum(),
        [p for p in copied.parameters() if p.requires_grad],
        allow_unused=True,
    )
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    fresh = {name: each for name, each in zip(names, gradients, strict=True) if each is not None}
    times = accumulation(model, fresh)
    if taken < 2 or not times > THRESHOLDS.accumulated:
        return
    yield accumulated(times)


def accumulated(times: float) -> Finding:
    """That gradients add up from step to step."""
    sentence = (
        f"The parameters hold a gradient {figure(times)} times as large as that of one batch: gradients add up from "
        "step to step, because nothing clears them."
    )
    what = "size of the gradients relative to those of this batch"
    evidence = Evidence(what, times, THRESHOLDS.accumulated, True, "two gradients", "times")
    return Finding("accumulated gradients", CRITICAL, (), sentence, (evidence,), (_CLEAR,))


def _rates(model: nn.Module, batch: Batch, loss: Loss, optimizer: Optimizer) -> Iterator[Finding]:
    """Whether the loss rises by a few steps, or hardly moves, where another learning rate lowers it."""
    own = try_rate(model, batch, loss, optimizer, 1.0)
    if own.losses[0] >= 0 and max(own.losses) < DONE:
        return
    if own.fall < -THRESHOLDS.overshoot:
        trials = [try_rate(model, batch, loss, optimizer, factor) for factor in FACTORS if factor < 1]
        name, word, verb = "learning rate too high", "lower", "raise"
    elif own.update < THRESHOLDS.update and abs(own.fall) < THRESHOLDS.falls:
        trials = [try_rate(model, batch, loss, optimizer, factor) for factor in FACTORS if factor > 1]
        name, word, verb = "learning rate too low", "higher", "change"
    else:
        return
    better = max(trials, key=lambda each: each.fall)
    if better.fall < max(10 * own.fall, THRESHOLDS.falls):
        return
    rate = float(optimizer.param_groups[0]["lr"])
    sentence = (
        f"With the learning rate {rate:.3g}, {STEPS} steps on this batch {verb} the loss from "
        f"{figure(own.losses[0])} to {figure(own.losses[-1])}; with {rate * better.factor:.3g} they lower it to "
        f"{figure(better.losses[-1])}."
    )
    low = name.endswith("low")
    evidence = (
        Evidence(
            f"change of the loss by {STEPS} steps",
            -100 * own.fall if math.isfinite(own.fall) else math.inf,
            100 * (-THRESHOLDS.falls if low else THRESHOLDS.overshoot),
            True,
            "copies of the model",
            "%",
        ),
        Evidence(
            "size of a step relative to the parameters", own.update, THRESHOLDS.update, not low, "a copy"
        ),
    )
    remedy = Remedy(
        f"{word} learning rate",
        f"set the learning rate to {rate * better.factor:.3g}, of those tried the one that lowers the loss most",
        "tried on copies of this model",
        True,
        partial(_set_rate, optimizer=optimizer, factor=better.factor),
    )
    yield Finding(
        name, CRITICAL if not math.isfinite(own.fall) else WARNING, (), sentence, evidence, (remedy,)
    )


def _set_rate(model: nn.Module, optimizer: Optimizer, factor: float) -> list[str]:
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= factor
    return [f"learning rate from {rate:.3g} to {rate * factor:.3g}" for rate in rates[:1]]


def try_rate(
    model: nn.Module, batch: Batch, loss: Loss, optimizer: Optimizer, factor: float, steps: int = STEPS
) -> Trial:
    """Take a few steps on copies of model and optimizer, with the learning rate times a factor."""
    copied, stepper = copy.deepcopy((model, optimizer))
    copied.eval()
    for group in stepper.param_groups:
        group["lr"] = group["lr"] * factor
    losses, update = [], math.nan
    for _ in range(steps):
        stepper.zero_grad()
        total = loss(call_model(copied, batch)).sum()
        losses.append(float(total.detach()))
        if not math.isfinite(losses[-1]):
            break
        total.backward(inputs=[p for p in copied.parameters() if p.requires_grad])
        before = [p.detach().clone() for p in copied.parameters()]
        stepper.step()
        if math.isnan(update):
            moved = math.hypot(
                *(float((p.detach() - b).norm()) for p, b in zip(copied.parameters(), before, strict=True))
            )
            update = moved / max(math.hypot(*(float(b.norm()) for b in before)), 1e-30)
    with torch.no_grad():
        losses.append(float(loss(call_model(copied, batch)).sum()))
    return Trial(factor, tuple(losses), update)


def _names(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


_CONNECT = Remedy(
    "connect or freeze them",
    "use these parameters in forward, remove detach() and no_grad() on their way to the loss, or set "
    "requires_grad_(False)",
    "torch.autograd",
    True,
)
_CLEAR = Remedy(
    "clear the gradients", "call optimizer.zero_grad() before each loss.backward()", "torch.optim", True
)
