"""What a language model is asked for, as a loss that a diagnosis can follow back from the last step alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class NextSymbol:
    """The cross-entropy of the symbol that follows the last step, of a model's (logits (T, B, V), state).

    Args:
        targets: (B,), the symbols that follow.

    >>> import torch
    >>> round(NextSymbol(torch.tensor([1, 0]))((torch.zeros(5, 2, 4), None)).item() / 2, 4)  # ln 4 each
    1.3863
    """

    targets: Tensor
    words: ClassVar[str] = "the cross-entropy, in nats, of the symbols that follow, one after each sequence"

    def __call__(self, output: Any) -> Tensor:
        return torch.nn.functional.cross_entropy(output[0][-1], self.targets, reduction="sum")
