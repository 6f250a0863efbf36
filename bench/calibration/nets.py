"""The nets of the calibration: one recurrent module between an entrance and an output layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import carousel.nn as ours

# name -> how its recurrent module is made; ours and torch's are both there
CELLS: dict[str, Any] = {
    "torch tanh": lambda *size: nn.RNN(*size),
    "torch relu": lambda *size: nn.RNN(*size, nonlinearity="relu"),
    "torch lstm": lambda *size: nn.LSTM(*size),
    "torch gru": lambda *size: nn.GRU(*size),
    "tanh": lambda *size: ours.RNN(*size),
    "relu": lambda i, h, layers: ours.RNN(i, h, layers, nonlinearity="relu"),
    "sigmoid": lambda i, h, layers: ours.RNN(i, h, layers, nonlinearity="sigmoid"),
    "elu": lambda i, h, layers: ours.RNN(i, h, layers, nonlinearity="elu"),
    "identity": lambda i, h, layers: ours.RNN(i, h, layers, nonlinearity="identity"),
    "lstm": lambda *size: ours.LSTM(*size),
    "lstm diagonal": lambda *size: ours.LSTM(*size, peephole="diagonal"),
    "lstm full": lambda *size: ours.LSTM(*size, peephole="full"),
    "gru": lambda *size: ours.GRU(*size),
    "gru before": lambda *size: ours.GRU(*size, reset="before"),
}
LSTMS = ("torch lstm", "lstm", "lstm diagonal")
GRUS = ("torch gru", "gru", "gru before")
TANHS = ("torch tanh", "tanh")
RELUS = ("torch relu", "relu")


class Net(nn.Module):
    """Numbers (T, B, I) or symbols (T, B) in, `outputs` numbers at each step out: (T, B, outputs)."""

    def __init__(
        self, cell: str, inputs: int, hidden: int, outputs: int, layers: int = 1, symbols: bool = False
    ) -> None:
        super().__init__()
        width = 16 if symbols else inputs
        self.entrance = nn.Embedding(inputs, width) if symbols else nn.Identity()
        self.recurrent = CELLS[cell](width, hidden, layers)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.recurrent(self.entrance(x))
        return self.head(output)


@torch.no_grad()
def edit(net: Net, kind: str, change: Any, gate: int | None = None) -> None:
    """Change the parameters whose name begins with `kind` ("weight_hh"); of one gate's rows only, if given."""
    hidden = net.recurrent.hidden_size
    for name, parameter in net.recurrent.named_parameters():
        if name.startswith(kind):
            rows = parameter if gate is None else parameter[gate * hidden : (gate + 1) * hidden]
            change(rows)


def gates(net: Net) -> int:
    """How many blocks of rows the recurrent weights have."""
    return next(p for n, p in net.recurrent.named_parameters() if n == "weight_hh_l0").shape[0] // (
        net.recurrent.hidden_size
    )


@torch.no_grad()
def recurrent_gain(net: Net, gain: float) -> None:
    """Draw every recurrent block normal with deviation gain / sqrt(H): its spectral radius is about `gain`."""
    hidden = net.recurrent.hidden_size
    edit(net, "weight_hh", lambda rows: rows.normal_(0, gain * hidden**-0.5))
