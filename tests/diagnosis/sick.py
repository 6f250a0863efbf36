"""Small networks with one thing wrong each, and a batch to see it on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import carousel.nn as ours


def batch(inputs: int = 3, steps: int = 60) -> Tensor:
    return torch.randn(steps, 4, inputs, generator=torch.Generator().manual_seed(1))


def _made(module: nn.Module, **changes: object) -> nn.Module:
    for name, change in changes.items():
        with torch.no_grad():
            change(getattr(module, name))  # type: ignore[operator]
    return module


def healthy() -> nn.Module:
    return _made(nn.RNN(3, 24), weight_hh_l0=nn.init.orthogonal_)


def vanishing() -> nn.Module:
    return _made(nn.RNN(3, 24), weight_hh_l0=lambda w: nn.init.orthogonal_(w).mul_(0.4))


def vanishing_lstm() -> nn.Module:
    return _made(nn.LSTM(3, 24), bias_ih_l0=lambda b: b[24:48].fill_(-1.5))


def exploding() -> nn.Module:
    return _made(ours.RNN(3, 24, nonlinearity="relu"), weight_hh_l0=lambda w: nn.init.eye_(w).mul_(1.3))


def transient() -> nn.Module:
    """All eigenvalues 0.5, and a chain of large entries above the diagonal."""

    def chain(w: Tensor) -> None:
        w.copy_(0.5 * torch.eye(24) + 4 * torch.diag(torch.ones(23), 1))

    return _made(ours.RNN(3, 24, nonlinearity="identity"), weight_hh_l0=chain)


def chaotic() -> nn.Module:
    return _made(
        nn.RNN(3, 64),
        weight_hh_l0=lambda w: w.normal_(0, 2.5 / 8),
        weight_ih_l0=lambda w: w.mul_(0.1),
    )


def saturated() -> nn.Module:
    return _made(nn.GRU(3, 24), weight_ih_l0=lambda w: w.mul_(200))


def dead() -> nn.Module:
    return _made(nn.RNN(3, 24, nonlinearity="relu"), bias_ih_l0=lambda b: b.fill_(-20))


def memoryless() -> nn.Module:
    return _made(nn.RNN(3, 24), weight_hh_l0=lambda w: w.mul_(0.01))


CASES = {
    "vanishing": [vanishing, vanishing_lstm],
    "exploding": [exploding, transient],
    "chaotic": [chaotic],
    "saturated": [saturated],
    "dead": [dead],
    "memoryless": [memoryless],
    "no trouble": [healthy],
}
MODELS = [(name, make) for name, makes in CASES.items() for make in makes]
