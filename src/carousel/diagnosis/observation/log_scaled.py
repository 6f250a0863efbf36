"""Vectors with a logarithm of their own, so that a norm of 1e-300, or of 1e-3000, is an ordinary number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LogScaled:
    """unit * exp(log): unit (..., n) has norm 1, or 0 where log (...) is -inf.

    >>> tiny = LogScaled.of(torch.full((1, 4), 1e-200, dtype=torch.float64))
    >>> round(LogScaled.of(tiny.unit * 1e-200, tiny.log).log.item(), 4)  # ln of 2e-400
    -920.3409
    """

    unit: Tensor
    log: Tensor

    @classmethod
    def of(cls, values: Tensor, log: Tensor | float = 0.0) -> LogScaled:
        """values * exp(log), brought to norm 1."""
        largest = values.abs().amax(dim=-1)  # first, or the squares of small values would vanish
        shrunk = values / torch.where(largest > 0, largest, 1.0).unsqueeze(-1)
        norm = torch.linalg.vector_norm(shrunk, dim=-1)
        norm = torch.where(norm > 0, norm, 1.0)
        return cls(shrunk / norm.unsqueeze(-1), largest.log() + norm.log() + log)

    @classmethod
    def joined(cls, parts: Sequence[LogScaled], join: Callable[[list[Tensor]], Tensor]) -> LogScaled:
        """`join`, as torch.stack, of the units and of the logarithms."""
        return cls(join([part.unit for part in parts]), join([part.log for part in parts]))

    def __getitem__(self, index: object) -> LogScaled:
        """Some of the vectors, by an index that leaves the last dimension alone."""
        return LogScaled(self.unit[index], self.log[index])  # type: ignore[index]

    def part(self, start: int, stop: int) -> LogScaled:
        """Some of the coordinates."""
        return LogScaled.of(self.unit[..., start:stop], self.log)

    def numbers(self, top: Tensor | float = 0.0) -> Tensor:
        """Plain numbers, divided by exp(top)."""
        return self.unit * (self.log - top).exp().unsqueeze(-1)

    def __add__(self, other: LogScaled) -> LogScaled:
        top = finite(torch.maximum(self.log, other.log))
        return LogScaled.of(self.numbers(top) + other.numbers(top), top)


def side_by_side(parts: Sequence[LogScaled]) -> LogScaled:
    """Vectors of different logarithms as one longer vector."""
    top = finite(torch.stack([part.log for part in parts]).amax(dim=0))
    return LogScaled.of(torch.cat([part.numbers(top) for part in parts], dim=-1), top)


def finite(logs: Tensor) -> Tensor:
    """Logarithms with 0 in place of -inf, to subtract."""
    return torch.where(torch.isfinite(logs), logs, 0.0)
