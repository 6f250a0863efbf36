"""Long short-term memory as a module (equations: carousel.equations.lstm)."""

from typing import Any, Unpack

import torch

from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.nn.options import one_of, projection
from carousel.nn.recurrent import Recurrent
from carousel.nn.regularisers import RegulariserOptions

PEEPHOLES = {"none": "lstm", "diagonal": "lstm-diagonal", "full": "lstm-full"}


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), as torch.nn.LSTM or with peepholes.

    Args:
        peephole: "none", as in torch.nn; "diagonal": each gate sees its own cell (Gers & Schmidhuber 2000),
            parameter `weight_peephole_l{k}` (3, H), rows i, f, o; "full": each gate sees all cells, parameter
            `weight_ch_l{k}` (3H, H). i and f see c_{t-1}, o sees c_t.
        proj_size: P, from 1 to below H: h is projected to P numbers (Sak et al. 2014), as in torch.nn, with the
            parameter `weight_hr_l{k}` (P, H); 0 for no projection. See `carousel.nn.projected` for how it runs.
        The others, shapes and errors: see `Recurrent`.

    >>> import torch
    >>> module = LSTM(3, 5, peephole="diagonal")
    >>> output, (h_n, c_n) = module(torch.zeros(7, 2, 3))
    >>> output.shape, c_n.shape, module.weight_peephole_l0.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]), torch.Size([3, 5]))
    """

    _usual = (("proj_size", 0), ("peephole", "none"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: str = "none",
        **regularisers: Unpack[RegulariserOptions],
    ) -> None:
        self.proj_size = projection(proj_size, hidden_size)  # which the parameters, made below, follow
        cell = CELLS[one_of("peephole", peephole, PEEPHOLES)]
        sizes = input_size, hidden_size, num_layers
        super().__init__(
            cell, *sizes, bias, batch_first, dropout, bidirectional, device, dtype, **regularisers
        )
        self.peephole = peephole
        if self.proj_size and self.regularisers.recurrent_dropout:
            raise CarouselError(
                "recurrent_dropout masks h, which an LSTM with proj_size does not keep; use weight_drop."
            )
