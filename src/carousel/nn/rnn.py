"""The simple recurrent network as a module (equations: carousel.equations.elman)."""

from typing import Any, Unpack

import torch

from carousel.equations.catalogue import CELLS
from carousel.equations.elman import NONLINEARITIES
from carousel.nn.options import no_projection, one_of
from carousel.nn.recurrent import Recurrent
from carousel.nn.regularisers import RegulariserOptions


class RNN(Recurrent):
    """h_t = f(W x_t + b_ih + U h_{t-1} + b_hh) (Elman 1990): torch.nn.RNN with more nonlinearities.

    Args:
        nonlinearity: "tanh", "relu", "sigmoid", "elu" or "identity" (a linear recurrence).
        proj_size: must be 0, as in torch: only the LSTM has a projection.
        The others, shapes and errors: see `Recurrent`.

    >>> import torch
    >>> module = RNN(3, 5, nonlinearity="relu", batch_first=True)
    >>> output, h_n = module(torch.zeros(2, 7, 3))
    >>> output.shape, h_n.shape
    (torch.Size([2, 7, 5]), torch.Size([1, 2, 5]))
    """

    _usual = (("nonlinearity", "tanh"),)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        proj_size: int = 0,
        **regularisers: Unpack[RegulariserOptions],
    ) -> None:
        no_projection(proj_size)
        one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        cell = CELLS[f"rnn-{nonlinearity}"]
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            cell, *sizes, bias, batch_first, dropout, bidirectional, device, dtype, **regularisers
        )
        self.nonlinearity = nonlinearity
