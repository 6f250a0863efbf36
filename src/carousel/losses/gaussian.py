"""The loss of a probabilistic forecast: minus the logarithm of a normal density."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

from carousel.losses.steps import Steps, check_same_shape, full_precision


def gaussian(
    means: Tensor,
    log_deviations: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    lengths: Tensor | Iterable[int] | None = None,
    mask: Tensor | None = None,
    reduction: str = "mean",
    batch_first: bool = False,
) -> Tensor:
    """sum_i -log N(target_i; mean_i, deviation_i) in nats at each step, deviation_i = exp(log_deviation_i).

    (Nix & Weigend 1994.)

    Args:
        means, log_deviations, targets: (T, B, K), or (..., K) with any steps in front.
        weights, lengths, mask, reduction, batch_first: as in `carousel.losses.cross_entropy`; the "mean" is over steps,
            not over the K values of a step.

    Raises CarouselError as `carousel.losses.cross_entropy`.

    >>> import torch
    >>> zero = torch.zeros(4, 2, 1)
    >>> round(gaussian(zero, zero, zero).item(), 4)  # log sqrt(2 pi)
    0.9189
    """
    check_same_shape(means, targets)
    check_same_shape(log_deviations, targets)
    steps = Steps(means.shape[:-1], means.device, weights, lengths, mask, reduction, batch_first)
    logs = full_precision(steps.only(log_deviations))
    error = full_precision(steps.only(means)) - full_precision(steps.only(targets))
    each = 0.5 * (error * (-logs).exp()).square() + logs + 0.5 * math.log(2 * math.pi)
    return steps.reduce(each.sum(dim=-1))
