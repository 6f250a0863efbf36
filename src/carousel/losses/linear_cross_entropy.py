"""The output layer and the loss of a language model in one operation, which never holds the logits of a whole batch."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from carousel.errors import CarouselError
from carousel.losses.cross_entropy import count_indices
from carousel.losses.steps import IGNORED, Steps
from carousel.ops.cross_entropy import output_losses


def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    *,
    weights: Tensor | None = None,
    lengths: Tensor | Iterable[int] | None = None,
    mask: Tensor | None = None,
    ignore: int = IGNORED,
    reduction: str = "mean",
    batch_first: bool = False,
) -> Tensor:
    """cross_entropy(x weight^T + bias, targets), with its exact gradients, a few rows of logits at a time.

    Besides inputs, outputs and their gradients, the operation needs memory for about 64 rows of logits (9 MB at
    V = 33,278). A linear layer and a loss keep the logits of every step twice. For "mean" and "sum" the gradients are
    computed together with the softmax, so that no product is computed twice. For "sequence" and "none" the backward
    pass computes the logits again. (Wijmans et al. 2024 do the same on a GPU: cut cross-entropy.)

    On the CPU with float32 or float64 this is one compiled operation. With `weight` in bfloat16, or under
    `torch.autocast("cpu", torch.bfloat16)`, factors of products are rounded to bfloat16; sums and softmax stay in
    float32. Other devices and dtypes, torch.func and second derivatives take plain torch, with all logits in memory.

    Args:
        x: (T, B, H), or (..., H) with any steps in front: what the output layer reads.
        weight: (V, H), its own, or that of an embedding.
        bias: (V,) or None.
        targets: (T, B) int64, from 0 to V - 1, or `ignore` for padding: such a step neither counts nor is read.
        weights: w_t, (T,) or (T, B), whose gradient is exact too.
        ignore: the target that marks padding.
        lengths, mask, reduction, batch_first: as in `carousel.losses.cross_entropy`.

    Returns the loss, float32 for bfloat16: a scalar, (B,) for "sequence", (T, B) for "none".

    Raises CarouselError if shapes, dtypes or devices do not fit together, or if a target is not the number of a symbol.

    >>> import torch
    >>> x, weight, targets = torch.randn(5, 2, 16), torch.randn(1000, 16), torch.randint(1000, (5, 2))
    >>> fused = linear_cross_entropy(x, weight, targets)
    >>> torch.allclose(fused, torch.nn.functional.cross_entropy((x @ weight.T).flatten(0, 1), targets.flatten()))
    True
    """
    _check(x, weight, bias)
    steps = Steps(x.shape[:-1], x.device, weights, lengths, mask, reduction, batch_first)
    if ignore != IGNORED:
        targets = targets.masked_fill(targets == ignore, IGNORED)
    targets = count_indices(steps, x, targets)
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    scale = torch.ones((), dtype=dtype, device=x.device) if steps.weights is None else steps.weights.to(dtype)
    if reduction == "mean":
        scale = scale / steps.count(scale)
    total, losses = output_losses(
        x.reshape(-1, x.shape[-1]),
        weight,
        bias,
        targets.reshape(-1),
        scale.expand(steps.frame).reshape(-1) if reduction in ("mean", "sum") else None,
    )
    return total if reduction in ("mean", "sum") else steps.reduce(losses.reshape(steps.frame))


def _check(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    given = [weight] if bias is None else [weight, bias]
    if (
        x.dim() < 2
        or weight.dim() != 2
        or x.shape[-1] != weight.shape[1]
        or (bias is not None and bias.shape != weight.shape[:1])
    ):
        raise CarouselError(
            "x must be (T, B, H) or (N, H), weight (V, H) and bias (V,); got x "
            f"{tuple(x.shape)}, {' and '.join(str(tuple(tensor.shape)) for tensor in given)}."
        )
    if any(tensor.device != x.device or tensor.dtype != weight.dtype for tensor in given):
        raise CarouselError(
            "x, weight and bias must be on one device, weight and bias of one dtype; "
            f"got {', '.join(f'{tensor.dtype} on {tensor.device}' for tensor in (x, *given))}. Move one with .to(...)."
        )
