"""The loss of a model beside that of the best constant answer, and what its shapes and arguments give away."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import DEFAULT_LOSS, Loss
from carousel.diagnosis.observation.recording import Batch, call_model
from carousel.diagnosis.observation.side_effects import without_side_effects
from carousel.diagnosis.usage.probed_run import FAILURES, value_of, with_value
from carousel.diagnosis.verdicts.findings import CRITICAL, WARNING, Evidence, Finding, figure
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.errors import CarouselError

# nodes of a graph that give the same numbers in another shape
_VIEWS = ("Squeeze", "Unsqueeze", "View", "UnsafeView", "Reshape", "Select", "Transpose", "Permute", "Clone")
_PAIRS = ("sub", "__sub__", "__rsub__", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


@dataclass(frozen=True, repr=False)
class LossFacts(Brief):
    """What is known of a loss on a batch.

    Attributes:
        value: of the model; constant: the lowest that one constant answer for all steps and sequences reaches; NaN if
            it was not found.
        falls: the share by which the loss falls along its gradient, at the best of a few lengths of a step; 0 if it
            does not.
        gradient: the norm of its gradient in the parameters.
        unused: parameters that it does not reach.
        broadcast: the two shapes of which every number met every other, or None.
        mistaken: what the loss wants and what it was given, or "".
        output_deviation: standard deviation of the output over steps and sequences.
        is_cut: whether no gradient reaches a matrix of weights; of a model that trains none, any parameter.
        wanted: the output along which the loss falls from zero, which is like the targets; None if it was not found.
    """

    value: float
    constant: float
    falls: float
    gradient: float
    unused: tuple[str, ...]
    broadcast: tuple[tuple[int, ...], tuple[int, ...]] | None
    mistaken: str
    output_deviation: float
    is_cut: bool
    wanted: Tensor | None

    @property
    def is_below_chance(self) -> bool:
        """Whether the model does better than any constant answer."""
        return self.value < self.constant - THRESHOLDS.chance * abs(self.constant)


@dataclass(frozen=True)
class LastStep:
    """The default loss on an output whose axis of time is known: the squared norm at its last step."""

    time_axis: int
    words = DEFAULT_LOSS

    def __call__(self, output: Any) -> Tensor:
        value = value_of(output)
        if value is None:
            raise CarouselError("The default loss needs a tensor of numbers in the output; pass a loss.")
        return value.select(self.time_axis, -1).square().sum()


def loss_facts(model: nn.Module, batch: Batch, loss: Loss) -> LossFacts:
    """Measure a loss that was given, in eval mode; the model does not change."""
    with torch.inference_mode(False), without_side_effects(model) as twin, torch.enable_grad():
        output = call_model(twin, batch)
        value = value_of(output)
        with _Watch() as watch:
            total = loss(output).sum()
        named = [(n, p) for n, p in twin.named_parameters() if p.requires_grad]
        gradients: Sequence[Tensor | None] = [None] * len(named)
        if total.requires_grad:
            gradients = torch.autograd.grad(
                total, [p for _, p in named], allow_unused=True, retain_graph=True
            )
        constant = math.nan if value is None else _best_constant(loss, output, value.detach())
    sizes = [0.0 if each is None else float(each.norm()) for each in gradients]
    deviation = 0.0
    if value is not None and value.dim() > 1:
        rows = value.detach().flatten(0, -2)
        deviation = float((rows - rows[0]).std(0, correction=0).max())  # 0 of equal rows, without rounding
    return LossFacts(
        value=float(total.detach()),
        constant=constant,
        falls=_fall(model, batch, loss, gradients, float(total.detach())),
        gradient=math.hypot(*sizes),
        unused=tuple(name for (name, _), each in zip(named, gradients, strict=True) if each is None),
        broadcast=watch.broadcast,
        mistaken=watch.mistaken,
        output_deviation=deviation,
        is_cut=not any([size for size, (_, p) in zip(sizes, named, strict=True) if p.dim() > 1] or sizes),
        wanted=None if value is None else _wanted(loss, output, value.detach()),
    )


def check_loss(found: LossFacts) -> list[Finding]:
    """What is wrong with how a loss is computed: a cause of what follows."""
    return [finding for rule in (_broadcast, _mistaken) if (finding := rule(found))][:1]


def check_learning(found: LossFacts) -> list[Finding]:
    """That nothing can be learned: a consequence, or the fault of the output layer if nothing else is wrong."""
    return [finding for rule in (_no_gradient, _cannot_learn) if (finding := rule(found))][:1]


def _broadcast(found: LossFacts) -> Finding | None:
    if found.broadcast is None:
        return None
    one, other = found.broadcast
    pairs = torch.broadcast_shapes(one, other)
    sentence = (
        f"The loss compares shape {one} with shape {other}: every output meets every target, {math.prod(pairs)} pairs. "
        "It then learns the mean of the targets."
    )
    evidence = Evidence(
        "pairs that the loss compares",
        math.prod(pairs),
        max(math.prod(one), math.prod(other)),
        True,
        "shapes",
        "pairs",
    )
    return Finding("broadcast loss", CRITICAL, (), sentence, (evidence,), (_SAME_SHAPE,))


def _mistaken(found: LossFacts) -> Finding | None:
    if not found.mistaken:
        return None
    sentence = f"The loss {found.mistaken}. The model then learns slowly, or something else than was meant."
    evidence = Evidence("loss", found.value, found.constant, True, "the best constant answer")
    known = () if math.isnan(found.constant) else (evidence,)
    given = Evidence("arguments that the loss does not take", 1, 0, True, "the call of the loss", "tensor")
    return Finding("probabilities as logits", WARNING, (), sentence, (given, *known), (_LOGITS,))


def _no_gradient(found: LossFacts) -> Finding | None:
    if not found.is_cut or found.is_below_chance:  # what a margin asks may be fulfilled
        return None
    still = found.output_deviation == 0
    where = "every parameter" if found.gradient == 0 else "every matrix of weights"
    sentence = f"The gradient of the loss is 0 in {where}: nothing can be learned." + (
        " The output layer returns the same numbers at all steps of all sequences." if still else ""
    )
    evidence = (
        Evidence("norm of the gradient of the loss", found.gradient, 1e-30, False, "the loss"),
        Evidence("standard deviation of the outputs", found.output_deviation, 1e-6, False, "the outputs"),
    )
    return Finding("dead head" if still else "no gradient", CRITICAL, (), sentence, evidence, (_HEAD,))


def _cannot_learn(found: LossFacts) -> Finding | None:
    if math.isnan(found.constant) or found.is_below_chance or found.falls > THRESHOLDS.falls:
        return None
    sentence = (
        f"The loss is {figure(found.value)}; the best constant answer has {figure(found.constant)}. No step along the "
        "gradient lowers it."
    )
    evidence = (
        Evidence("loss", found.value, found.constant, True, "the best constant answer"),
        Evidence("share by which a step lowers it", found.falls, THRESHOLDS.falls, False, "the loss"),
    )
    return Finding("cannot learn", WARNING, (), sentence, evidence, (_HEAD,))


def _best_constant(loss: Loss, output: Any, value: Tensor) -> float:
    """The lowest loss of an output that is the same at every step of every sequence: a few steps of L-BFGS."""
    rows = value.flatten(0, -2) if value.dim() > 1 else value.reshape(-1, 1)
    answer = rows.mean(0).clone().requires_grad_()
    optimizer = torch.optim.LBFGS([answer], max_iter=50, line_search_fn="strong_wolfe")

    def lost() -> Tensor:
        constant = answer.expand_as(value) if value.dim() > 1 else answer.expand(value.shape)
        total = loss(with_value(output, value, constant)).sum()
        if answer.grad is not None:
            answer.grad.zero_()
        total.backward(inputs=[answer])
        return total

    try:
        optimizer.step(lost)
        found = float(lost().detach())
    except FAILURES:
        return math.nan  # of a loss that reads more than one tensor, or asks more of its output
    return found if math.isfinite(found) else math.nan


def _wanted(loss: Loss, output: Any, value: Tensor) -> Tensor | None:
    """Downhill from an output of zeros: along the targets of squared errors, along the right class of cross-entropy."""
    zeros = torch.zeros_like(value).requires_grad_()
    try:
        [gradient] = torch.autograd.grad(loss(with_value(output, value, zeros)).sum(), zeros)
    except FAILURES:
        return None
    return -gradient.detach()


def _fall(
    model: nn.Module, batch: Batch, loss: Loss, gradients: Sequence[Tensor | None], before: float
) -> float:
    """The largest share by which the loss falls along its gradient."""
    norm = math.hypot(*(float(each.norm()) for each in gradients if each is not None))
    if norm == 0:
        return 0.0
    best = 0.0
    own = [p for p in model.parameters() if p.requires_grad]
    size = math.hypot(*(float(p.detach().norm()) for p in own))
    for length in (1e-1, 1e-2, 1e-3):
        changed = copy.deepcopy(model).eval()
        moving = [p for p in changed.parameters() if p.requires_grad]
        with torch.no_grad():
            for parameter, gradient in zip(moving, gradients, strict=True):
                if gradient is not None:
                    parameter.sub_(gradient, alpha=length * size / norm)
            after = float(loss(call_model(changed, batch)).sum())
        if math.isfinite(after):
            best = max(best, (before - after) / max(abs(before), 1e-30))
    return best


class _Watch(TorchFunctionMode):
    """Sees what a loss compares: shapes that broadcast both ways, probabilities where logits are due."""

    def __init__(self) -> None:
        super().__init__()
        self.broadcast: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self.mistaken = ""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        tensors = [each for each in args[:2] if isinstance(each, Tensor)]
        if name in _PAIRS and len(tensors) == 2:
            self._compare(*tensors)
        elif tensors and (rule := _WANTS.get(name)):
            self.mistaken = self.mistaken or rule(tensors[0].detach(), tensors[0])
        return func(*args, **(kwargs or {}))

    def _compare(self, one: Tensor, other: Tensor) -> None:
        # pairs of outputs, or of targets, are meant
        if one.shape == other.shape or one.requires_grad == other.requires_grad or self.broadcast is not None:
            return
        try:
            pairs = math.prod(torch.broadcast_shapes(one.shape, other.shape))
        except RuntimeError:
            return
        if pairs > max(one.numel(), other.numel()):
            self.broadcast = tuple(one.shape), tuple(other.shape)


def _wants_logits(values: Tensor, given: Tensor) -> str:
    total = values.sum(1 if values.dim() > 1 else 0)
    are_shares = bool((values >= 0).all()) and bool((total - 1).abs().max() < 1e-3)
    return "takes logits, but was given probabilities, which a softmax made" if are_shares else ""


def _wants_logit(values: Tensor, given: Tensor) -> str:
    made = given.grad_fn
    while made is not None and type(made).__name__.startswith(_VIEWS):
        made = made.next_functions[0][0]
    by_sigmoid = type(made).__name__.startswith("Sigmoid")
    return "takes logits, but was given probabilities, which a sigmoid made" if by_sigmoid else ""


def _wants_logs(values: Tensor, given: Tensor) -> str:
    return (
        "takes logarithms of probabilities, but was given numbers above 0, such as the probabilities of a softmax"
        if bool((values > 1e-3).any())
        else ""
    )


_WANTS: dict[str, Callable[[Tensor, Tensor], str]] = {
    F.cross_entropy.__name__: _wants_logits,
    F.binary_cross_entropy_with_logits.__name__: _wants_logit,
    F.nll_loss.__name__: _wants_logs,
}
_SAME_SHAPE = Remedy(
    "same shape",
    "give output and target the same shape: output.squeeze(-1), or target.unsqueeze(-1)",
    "torch",
    True,
)
_LOGITS = Remedy(
    "pass the logits",
    "remove the softmax or sigmoid before the loss: cross_entropy and binary_cross_entropy_with_logits apply their "
    "own, nll_loss takes log_softmax",
    "torch.nn.functional",
    True,
)
_HEAD = Remedy(
    "look at the output layer",
    "check that it ends in no rectifier or squashing that is stuck, and that its weights are not zero",
    "experience",
    True,
)
