"""Layers without recurrence, as a baseline for recurrent networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.nn.regularisers import dropout


class MLP(nn.Module):
    """Hidden layers that see the last N steps only; called like a recurrent module.

    Args:
        input_size: I. hidden_size: H. num_layers: hidden layers, the first of which reads N I numbers.
        context: N. dropout: between the layers.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, context: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.context, self.dropout = context, dropout
        widths = [context * input_size, *[hidden_size] * (num_layers - 1)]
        self.layers = nn.ModuleList(nn.Linear(width, hidden_size) for width in widths)

    def forward(self, x: Tensor, hx: None = None, *, lengths: Any = None) -> tuple[Tensor, None]:
        """x: (T, B, I). Returns (T, B, H), and None, because there is no state."""
        padded = F.pad(x, (0, 0, 0, 0, self.context - 1, 0))
        x = torch.cat([padded[k : k + x.shape[0]] for k in range(self.context)], dim=-1)
        for number, layer in enumerate(self.layers):
            x = dropout(x, self.dropout) if self.training and number > 0 else x
            x = torch.relu(layer(x))
        return x, None
