"""The loss of a classifier and of a language model: minus the log probability of the target."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.errors import CarouselError
from carousel.losses.steps import (
    IGNORED,
    Steps,
    check_probabilities,
    check_same_shape,
    full_precision,
)


def cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    lengths: Tensor | Iterable[int] | None = None,
    mask: Tensor | None = None,
    reduction: str = "mean",
    probabilities: bool = False,
    batch_first: bool = False,
) -> Tensor:
    """-sum_i target_i log y_i in nats at each step, y = softmax(outputs): for an index, -log y[target].

    (Bridle 1990.)

    Args:
        outputs: (T, B, V), or (..., V) with any steps in front: logits, or probabilities if `probabilities`.
        targets: (T, B) int64 indices, where -100 marks padding, which does not count; or distributions, shaped as
            `outputs`.
        weights: w_t, (T,) or (T, B); they may be below 0, as an advantage may be.
        lengths: (B,), the number of steps of each sequence that count.
        mask: (T, B) or (T,) bool, true where a step counts.
        reduction: "sum" of w_t Div_t; "mean", which is that sum over the number of steps that count, and 0 if none
            does; "sequence", the sum over time, (B,); "none", (T, B) with 0 at the steps that do not count.
        batch_first: outputs are (B, T, V).

    Raises CarouselError if shapes do not fit together, if a target is not the number of a symbol, and if probabilities
    do not sum to 1 (within 1 %, because many probabilities in bfloat16 are that far off).

    >>> import torch
    >>> logits = torch.zeros(5, 2, 8)  # every one of 8 symbols equally likely: 3 bits
    >>> round(cross_entropy(logits, torch.zeros(5, 2, dtype=torch.int64)).item() / 0.6931472, 4)
    3.0
    """
    steps = Steps(outputs.shape[:-1], outputs.device, weights, lengths, mask, reduction, batch_first)
    if targets.is_floating_point():
        check_same_shape(outputs, targets)
        outputs, targets = full_precision(steps.only(outputs)), steps.only(targets)
        check_probabilities("targets", targets)
        steps.check_sums("targets", full_precision(targets))
        return steps.reduce(
            -(targets * log_where_expected(steps, outputs, targets, probabilities)).sum(dim=-1)
        )
    targets = count_indices(steps, outputs, targets)
    outputs = full_precision(steps.only(outputs))
    if probabilities:
        check_probabilities("outputs", outputs)
        steps.check_sums("outputs", outputs)
        chosen = outputs.gather(-1, in_range(targets, outputs.shape[-1]).clamp(min=0)[..., None])[..., 0]
        return steps.reduce(-steps.only(chosen, fill=1.0).log())
    each = F.cross_entropy(
        outputs.reshape(-1, outputs.shape[-1]),
        in_range(targets, outputs.shape[-1]).reshape(-1),
        reduction="none",
        ignore_index=IGNORED,
    )
    return steps.reduce(each.reshape(targets.shape))


def log_where_expected(steps: Steps, outputs: Tensor, targets: Tensor, probabilities: bool) -> Tensor:
    """log y over the last dimension, from logits or from y itself; 0 where the target is 0, whatever y is there.

    So 0 log 0 is 0, in the gradient too.
    """
    impossible = targets == 0
    if not probabilities:
        return F.log_softmax(outputs, dim=-1).masked_fill(impossible, 0.0)
    check_probabilities("outputs", outputs)
    steps.check_sums("outputs", outputs)
    return outputs.masked_fill(impossible, 1.0).log()


def count_indices(steps: Steps, outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets as int64 of the steps' shape, -100 wherever a step does not count; `steps` learns of those."""
    if targets.dtype == torch.bool or targets.is_complex() or targets.shape != outputs.shape[:-1]:
        raise CarouselError(
            "logits need one more dimension than targets, the symbols, and else the same shape; "
            f"got logits {tuple(outputs.shape)} and targets {tuple(targets.shape)}, {targets.dtype}."
        )
    ignored = targets == IGNORED
    if torch.compiler.is_compiling() or bool(ignored.any()):
        steps.count_only(~ignored)
    targets = targets.to(torch.int64)
    return targets if steps.counted is None else targets.masked_fill(~steps.counted, IGNORED)


def in_range(targets: Tensor, symbols: int) -> Tensor:
    """The targets; raises CarouselError if one that counts is no symbol."""
    if not torch.compiler.is_compiling() and targets.numel() and targets.device.type == "cpu":
        counted = targets[targets != IGNORED]
        if counted.numel() and not (int(counted.min()) >= 0 and int(counted.max()) < symbols):
            raise CarouselError(
                f"targets must be numbers from 0 to {symbols - 1}, or {IGNORED} for padding; "
                f"got numbers from {int(counted.min())} to {int(counted.max())}."
            )
    return targets
