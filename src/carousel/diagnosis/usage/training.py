"""How a model is trained: which parameters an optimizer moves, and what its next step does to the loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch, call_model
from carousel.diagnosis.verdicts.findings import CRITICAL, WARNING, Evidence, Finding, figure
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.errors import CarouselError, shown

LOWER = (0.3, 0.1, 0.03, 0.01, 1e-3)  # factors of a learning rate that is too high, which are tried
HIGHER = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # learning rates that are tried in the place of one that is too low
STEPS = 3  # of the optimizer, on copies
DONE = 1e-6  # a loss below which rises are rounding


@dataclass(frozen=True, repr=False)
class Trial(Brief):
    """What a few steps do on one batch.

    Attributes:
        losses: before the first step and after each.
        update: norm of the first step relative to the norm of all parameters.
    """

    losses: tuple[float, ...]
    update: float

    @property
    def fall(self) -> float:
        """The share by which the loss falls from first to last; below 0 it rises, -inf if it is no number."""
        return -self.rise(0.0)

    def rise(self, chance: float) -> float:
        """The share by which the loss rises, of the loss itself or of that of the best constant answer."""
        first, last = self.losses[0], self.losses[-1]
        return (last - first) / max(abs(first), abs(chance), 1e-30) if math.isfinite(last) else math.inf


def check_training(
    model: nn.Module, batch: Batch, loss: Loss, optimizers: Sequence[Optimizer], chance: float = 0.0
) -> list[Finding]:
    """What is wrong with the parameters that optimizers move and with their learning rates.

    chance: the loss of the best constant answer, beside which a small rise of a small loss is none.
    """
    found = [*_outside(model, optimizers), *_accumulated(model, batch, loss, optimizers)]
    return found or list(_rates(model, batch, loss, optimizers, chance))


def as_optimizers(optimizer: Optimizer | Sequence[Optimizer] | None) -> Sequence[Optimizer]:
    """One optimizer, several or none, as `diagnose` takes them."""
    if optimizer is None or isinstance(optimizer, Optimizer):
        return () if optimizer is None else (optimizer,)
    several = tuple(optimizer) if isinstance(optimizer, Iterable) else (optimizer,)
    for each in several:
        if not isinstance(each, Optimizer):
            raise CarouselError(
                f"`optimizer` is a torch.optim.Optimizer or a list of them; got {shown(each)}. Pass what calls step()."
            )
    return several


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


def _outside(model: nn.Module, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    moved = {id(p) for group in _groups(optimizers) for p in group["params"]}
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    left = [name for name, p in named if id(p) not in moved]
    if left:
        sentence = (
            f"The optimizer does not hold {len(left)} of {len(named)} parameters, so that they stay as they are: "
            f"{_names(left)}. If another optimizer holds them, pass both: optimizer=[one, other]."
        )
        what = "parameters outside the optimizer"
        evidence = Evidence(what, len(left), 0, True, "the optimizer", f"of {len(named)} parameters")
        severity = CRITICAL if len(left) == len(named) else WARNING
        add = Remedy(
            "add the parameters",
            "give the optimizer all parameters of this model, after the model has its final layers and device",
            "torch.optim",
            True,
            partial(_add, optimizer=optimizers[-1], names=tuple(left)),
        )
        yield Finding("parameters outside the optimizer", severity, (), sentence, (evidence,), (add,))


def _add(model: nn.Module, optimizer: Optimizer, names: tuple[str, ...]) -> list[str]:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    missing = [p for name, p in model.named_parameters() if name in names and id(p) not in held]
    if missing:
        optimizer.add_param_group({"params": missing})
    several = "" if len(missing) == 1 else "s"
    return [f"{len(missing)} parameter{several} added to the optimizer"] if missing else []


def accumulation(model: nn.Module, gradients: dict[str, Tensor]) -> float:
    """How many times as large the gradients that the parameters hold are as fresh ones of a batch; NaN if unknown."""
    held = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and name in gradients}
    fresh = math.hypot(*(float(gradients[name].norm()) for name in held)) if held else 0.0
    whole = math.hypot(*(float(each.norm()) for each in held.values() if each is not None)) if held else 0.0
    return whole / fresh if fresh > 0 else math.nan


def _groups(optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    return [group for each in optimizers for group in each.param_groups]


def _accumulated(
    model: nn.Module, batch: Batch, loss: Loss, optimizers: Sequence[Optimizer]
) -> Iterator[Finding]:
    """After a few steps the gradients that are held are those of one batch, not their sum."""
    states = [state for each in optimizers for state in each.state.values()]
    steps = [int(state["step"]) for state in states if "step" in state]
    copied = copy.deepcopy(model).eval()
    gradients = torch.autograd.grad(
        loss(call_model(copied, batch)).sum(),
        [p for p in copied.parameters() if p.requires_grad],
        allow_unused=True,
    )
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fresh = {name: each for (name, _), each in zip(named, gradients, strict=True) if each is not None}
    times = accumulation(model, fresh)
    # some optimizers, as SGD, do not count their steps; a sum of gradients points the way of a fresh one, the gradient
    # of a small batch need not
    if (steps and max(steps) < 2) or not times > THRESHOLDS.accumulated:
        return
    if _cosine(dict(named), fresh) > THRESHOLDS.aligned:
        yield accumulated(times)


def _cosine(parameters: dict[str, nn.Parameter], gradients: dict[str, Tensor]) -> float:
    """Of the gradients that the parameters hold and fresh ones."""
    held = [(parameters[name].grad, each) for name, each in gradients.items()]
    pairs = [
        (a.flatten(), b.flatten()) for a, b in held if a is not None and not a.is_sparse and not b.is_sparse
    ]
    if not pairs:
        return 0.0
    one, other = (torch.cat(each) for each in zip(*pairs, strict=True))
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def accumulated(times: float) -> Finding:
    """That gradients add up from step to step."""
    sentence = (
        f"The parameters hold a gradient {figure(times)} times as large as that of one batch: gradients add up from "
        "step to step, because nothing clears them. Ignore this if you add up gradients on purpose and are not done, "
        "or if the loss of the training is scaled otherwise than this one."
    )
    what = "size of the gradients relative to those of this batch"
    evidence = Evidence(what, times, THRESHOLDS.accumulated, True, "two gradients", "times")
    return Finding("accumulated gradients", CRITICAL, (), sentence, (evidence,), (_CLEAR,))


def _rates(
    model: nn.Module, batch: Batch, loss: Loss, optimizers: Sequence[Optimizer], chance: float
) -> Iterator[Finding]:
    """Whether the loss rises by a few steps, or hardly moves, where another learning rate lowers it."""

    def tried(rates: Sequence[float], clip: float = math.inf) -> Trial:
        return try_rates(model, batch, loss, optimizers, rates, clip)

    rates = [float(group["lr"]) for group in _groups(optimizers)]
    own = tried(rates)
    if own.losses[0] >= 0 and max(own.losses) < DONE:
        return
    if _is_low(own):  # as in a warm-up, of which the rate that it leads to is judged
        rates = [_planned(group) for group in _groups(optimizers)]
        own = tried(rates)
    # who clips the gradient does so outside of the optimizer
    if own.rise(chance) > THRESHOLDS.overshoot < tried(rates, clip=1.0).rise(chance):
        choices = [[factor * rate for rate in rates] for factor in LOWER]
        name, word, verb = "learning rate too high", "lower", "raise"
    elif _is_low(own):
        top = max(rates)
        choices = [[each * (rate / top if top else 1.0) for rate in rates] for each in HIGHER if each > top]
        name, word, verb = "learning rate too low", "higher", "change"
    else:
        return
    trials = [(choice, tried(choice)) for choice in choices]
    best, better = max(trials, key=lambda each: each[1].fall, default=(rates, own))
    if better.fall < max(10 * own.fall, THRESHOLDS.falls):
        return
    rate, chosen = max(rates), max(best)
    sentence = (
        f"With the learning rate {rate:.3g}, {STEPS} steps on this batch {verb} the loss from "
        f"{figure(own.losses[0])} to {figure(own.losses[-1])}; with {chosen:.3g} they lower it to "
        f"{figure(better.losses[-1])}."
    )
    low = name.endswith("low")
    change, limit = (own.fall, THRESHOLDS.falls) if low else (own.rise(chance), THRESHOLDS.overshoot)
    what = f"{'fall' if low else 'rise'} of the loss in {STEPS} steps"
    evidence = (
        Evidence(what, 100 * change, 100 * limit, not low, "copies of the model", "%"),
        Evidence(
            "size of a step relative to the parameters", own.update, THRESHOLDS.update, not low, "a copy"
        ),
    )
    remedy = Remedy(
        f"{word} learning rate",
        f"set the learning rate to {chosen:.3g}, of those tried the one that lowers the loss most",
        "tried on copies of this model",
        True,
        partial(_set_rates, optimizers=optimizers, rates=best),
    )
    yield Finding(
        name, CRITICAL if not math.isfinite(own.fall) else WARNING, (), sentence, evidence, (remedy,)
    )


def _is_low(trial: Trial) -> bool:
    return trial.update < THRESHOLDS.update and abs(trial.fall) < THRESHOLDS.falls


def _planned(group: dict[str, Any]) -> float:
    """The highest learning rate that a schedule of torch leads to."""
    return max(float(group[name]) for name in ("lr", "initial_lr", "max_lr") if name in group)


def _set_rates(model: nn.Module, optimizers: Sequence[Optimizer], rates: Sequence[float]) -> list[str]:
    groups = _groups(optimizers)
    before = max(float(group["lr"]) for group in groups)
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    return [f"learning rate from {before:.3g} to {max(rates):.3g}"]


def try_rates(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    optimizers: Sequence[Optimizer],
    rates: Sequence[float],
    clip: float = math.inf,
) -> Trial:
    """Take a few steps on copies of model and optimizers, with these learning rates of their groups.

    clip: the largest norm of the gradient, beyond which it is scaled down.
    """
    memo: dict[int, Any] = {}
    copied = copy.deepcopy(model, memo).eval()
    steppers = [_copied(each, memo) for each in optimizers]
    for group, rate in zip(_groups(steppers), rates, strict=True):
        group["lr"] = rate
    moving = [p for p in copied.parameters() if p.requires_grad]
    losses, update = [], math.nan

    def lost() -> Tensor:
        copied.zero_grad()
        total = loss(call_model(copied, batch)).sum()
        total.backward(inputs=moving)
        if math.isfinite(clip) and not any(p.grad is not None and p.grad.is_sparse for p in moving):
            nn.utils.clip_grad_norm_(moving, clip)
        return total.detach()

    for _ in range(STEPS):
        losses.append(float(lost()))
        if not math.isfinite(losses[-1]):
            break
        before = [p.detach().clone() for p in copied.parameters()]
        for stepper in steppers:
            if isinstance(stepper, torch.optim.LBFGS):
                stepper.step(lost)
            else:
                stepper.step()
        if math.isnan(update):
            moved = math.hypot(
                *(float((p.detach() - b).norm()) for p, b in zip(copied.parameters(), before, strict=True))
            )
            update = moved / max(math.hypot(*(float(b.norm()) for b in before)), 1e-30)
    with torch.no_grad():
        losses.append(float(loss(call_model(copied, batch)).sum()))
    return Trial(tuple(losses), update)


def _copied(optimizer: Optimizer, memo: dict[int, Any]) -> Optimizer:
    """A copy that moves the copied parameters; of L-BFGS, copy.deepcopy loses some."""
    copied = copy.deepcopy(optimizer, memo)
    if not isinstance(copied, torch.optim.LBFGS):
        return copied
    [group] = copied.param_groups
    again = torch.optim.LBFGS(**group)
    again.load_state_dict(copied.state_dict())
    return again


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
