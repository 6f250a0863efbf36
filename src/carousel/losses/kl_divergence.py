"""The divergence of the distribution that a network predicts from its target."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from carousel.losses.cross_entropy import cross_entropy, log_where_expected
from carousel.losses.steps import Steps, check_probabilities, check_same_shape, full_precision


def kl_divergence(
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
    """KL(target, y) = sum_i target_i (log target_i - log y_i) in nats at each step, y = softmax(outputs).

    (Kullback & Leibler 1951.) An index as target is a distribution without entropy: the result is then cross_entropy.

    Args:
        outputs: (T, B, V), or (..., V) with any steps in front: logits, or probabilities if `probabilities`.
        targets: distributions of the same shape, or (T, B) int64 indices.
        weights, lengths, mask, reduction, batch_first: as in `carousel.losses.cross_entropy`.

    Raises CarouselError as `carousel.losses.cross_entropy`.

    >>> import torch
    >>> target = torch.tensor([[0.5, 0.5, 0.0]])
    >>> round(kl_divergence(torch.tensor([[0.25, 0.25, 0.5]]), target, probabilities=True).item() / 0.6931472, 4)
    1.0
    """
    if not targets.is_floating_point():
        return cross_entropy(
            outputs, targets, weights=weights, lengths=lengths, mask=mask, reduction=reduction,
            probabilities=probabilities, batch_first=batch_first,
        )  # fmt: skip
    check_same_shape(outputs, targets)
    steps = Steps(outputs.shape[:-1], outputs.device, weights, lengths, mask, reduction, batch_first)
    outputs, targets = full_precision(steps.only(outputs)), full_precision(steps.only(targets))
    check_probabilities("targets", targets)
    steps.check_sums("targets", targets)
    own = targets.masked_fill(targets == 0, 1.0).log()  # 0 log 0 = 0
    return steps.reduce(
        (targets * (own - log_where_expected(steps, outputs, targets, probabilities))).sum(dim=-1)
    )
