"""The loss of a language model: minus the logarithm of the probability it gave to what came next."""

from torch import Tensor
from torch.nn import functional as F

from carousel.errors import CarouselError

IGNORED = -100  # a target that is padding and is not counted


def cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """-log softmax(logits)[target] in nats, as the "mean" over all targets, their "sum", or "none" of both.

    logits: (T, B, V) or (..., V); targets: (T, B) or (...), int64. A target of -100 is not counted.
    Returns a scalar, or (T, B) for "none", 0 where the target is not counted.

    Raises CarouselError if the shapes do not belong together.

    >>> import torch
    >>> logits = torch.zeros(5, 2, 8)  # every one of 8 symbols equally likely: 3 bits
    >>> round(cross_entropy(logits, torch.zeros(5, 2, dtype=torch.int64)).item() / 0.6931472, 4)
    3.0
    """
    if logits.shape[:-1] != targets.shape:
        raise CarouselError(
            "logits need one more dimension than targets, the symbols, and else the same shape; "
            f"got logits {tuple(logits.shape)} and targets {tuple(targets.shape)}."
        )
    flat = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), reduction=reduction, ignore_index=IGNORED
    )
    return flat.reshape(targets.shape) if reduction == "none" else flat
