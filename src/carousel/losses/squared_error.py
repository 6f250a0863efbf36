"""The loss of a forecast: the squared distance of outputs and targets."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from carousel.losses.steps import Steps, check_same_shape, full_precision


def squared_error(
    outputs: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    lengths: Tensor | Iterable[int] | None = None,
    mask: Tensor | None = None,
    reduction: str = "mean",
    batch_first: bool = False,
) -> Tensor:
    """sum_i (y_i - target_i)^2 at each step, without the factor 1/2 that some texts have.

    (Least squares: Legendre 1805.)

    Args:
        outputs, targets: (T, B, K), or (..., K) with any steps in front.
        weights, lengths, mask, reduction, batch_first: as in `carousel.losses.cross_entropy`; the "mean" is over steps,
            not over the K values of a step.

    Raises CarouselError as `carousel.losses.cross_entropy`.

    >>> import torch
    >>> squared_error(torch.zeros(4, 2, 3), torch.ones(4, 2, 3)).item()
    3.0
    """
    check_same_shape(outputs, targets)
    steps = Steps(outputs.shape[:-1], outputs.device, weights, lengths, mask, reduction, batch_first)
    error = full_precision(steps.only(outputs)) - full_precision(steps.only(targets))
    return steps.reduce(error.square().sum(dim=-1))
