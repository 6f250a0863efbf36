"""The loss of independent yes-or-no outputs: several labels may hold at once."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional as F

from carousel.losses.steps import Steps, check_probabilities, check_same_shape, full_precision


def bernoulli(
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
    """-sum_i (target_i log y_i + (1 - target_i) log(1 - y_i)) in nats at each step, y = sigmoid(outputs).

    (The likelihood of logistic regression: Cox 1958.) The K outputs of a step are independent of each other.

    Args:
        outputs: (T, B, K), or (..., K) with any steps in front: logits, or probabilities if `probabilities`.
        targets: of the same shape, bool, or numbers from 0 to 1.
        weights, lengths, mask, reduction, batch_first: as in `carousel.losses.cross_entropy`; the "mean" is over steps,
            not over the K outputs of a step.

    Raises CarouselError as `carousel.losses.cross_entropy`, and for targets outside [0, 1].

    >>> import torch
    >>> round(bernoulli(torch.zeros(5, 2, 3), torch.ones(5, 2, 3)).item() / 0.6931472, 4)  # three coins: 3 bits
    3.0
    """
    check_same_shape(outputs, targets)
    steps = Steps(outputs.shape[:-1], outputs.device, weights, lengths, mask, reduction, batch_first)
    outputs = full_precision(steps.only(outputs, fill=0.5))
    targets = steps.only(targets.to(outputs.dtype), fill=0.5)
    check_probabilities("targets", targets)
    if not probabilities:
        return steps.reduce(
            F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").sum(dim=-1)
        )
    check_probabilities("outputs", outputs)
    yes = targets * outputs.masked_fill(targets == 0, 1.0).log()  # 0 log 0 = 0, in the gradient too
    no = (1 - targets) * (1 - outputs).masked_fill(targets == 1, 1.0).log()
    return steps.reduce(-(yes + no).sum(dim=-1))
