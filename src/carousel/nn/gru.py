"""The gated recurrent unit as a module (equations: carousel.equations.gru)."""

from typing import Any, Unpack

import torch

from carousel.equations.catalogue import CELLS
from carousel.nn.options import no_projection, one_of
from carousel.nn.recurrent import Recurrent
from carousel.nn.regularisers import RegulariserOptions

RESETS = {"after": "gru", "before": "gru-before"}


class GRU(Recurrent):
    """The gated recurrent unit (Cho et al. 2014), as torch.nn.GRU or as in the paper.

    Args:
        reset: "after": n = tanh(W x + b_ih + r (U h + b_hh)), as in torch.nn and cuDNN;
            "before": n = tanh(W x + b_ih + U (r h) + b_hh), as in the paper. Both have the same parameters.
        proj_size: must be 0, as in torch: only the LSTM has a projection.
        The others, shapes and errors: see `Recurrent`.

    >>> import torch
    >>> module = GRU(3, 5, num_layers=2, reset="before")
    >>> output, h_n = module(torch.zeros(7, 2, 3))
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 5]), torch.Size([2, 2, 5]))
    """

    _usual = (("reset", "after"),)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        reset: str = "after",
        proj_size: int = 0,
        **regularisers: Unpack[RegulariserOptions],
    ) -> None:
        no_projection(proj_size)
        cell = CELLS[one_of("reset", reset, RESETS)]
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            cell, *sizes, bias, batch_first, dropout, bidirectional, device, dtype, **regularisers
        )
        self.reset = reset
