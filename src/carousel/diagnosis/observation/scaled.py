"""Vectors with a logarithm of their own, so that a norm of 1e-300, or of 1e-3000, is an ordinary number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scaled:
    """unit * exp(log): unit (..., n) has norm 1, or 0 where log (...) is -inf.

    >>> tiny = Scaled.of(torch.full((1, 4), 1e-200, dtype=torch.float64))
    >>> round((tiny * 1e-200).log_norm().item(), 4)  # ln of 2e-400
    -920.3409
    """

    unit: Tensor
    log: Tensor

    @classmethod
    def of(cls, values: Tensor, log: Tensor | None = None) -> Scaled:
        """values * exp(log), brought to norm 1."""
        largest = values.abs().amax(dim=-1)  # first, or the squares of small values would vanish
        safe = torch.where(largest > 0, largest, 1.0).unsqueeze(-1)
        shrunk = values / safe
        norm = torch.linalg.vector_norm(shrunk, dim=-1, keepdim=True)
        total = (largest.log() + torch.where(norm > 0, norm, 1.0).log().squeeze(-1)) + (
            0.0 if log is None else log
        )
        return cls(shrunk / torch.where(norm > 0, norm, 1.0), total)

    @classmethod
    def zeros(cls, shape: tuple[int, ...], like: Tensor) -> Scaled:
        return cls(like.new_zeros(shape), like.new_full(shape[:-1], -torch.inf))

    def log_norm(self) -> Tensor:
        """ln of the norm, (...); -inf for zero."""
        return self.log

    def part(self, start: int, stop: int) -> Scaled:
        """Some of the coordinates."""
        return Scaled.of(self.unit[..., start:stop], self.log)

    def at(self, index: int) -> Scaled:
        """One of the vectors along the first dimension, or a row of them."""
        return Scaled(self.unit[index], self.log[index])

    def values(self) -> Tensor:
        """As plain numbers, which may be too small or too large to hold."""
        return self.unit * self.log.exp().unsqueeze(-1)

    def __mul__(self, factor: float | Tensor) -> Scaled:
        return Scaled.of(self.unit * factor, self.log)

    def __add__(self, other: Scaled) -> Scaled:
        top = torch.maximum(self.log, other.log)
        top = torch.where(torch.isfinite(top), top, 0.0)
        one = self.unit * (self.log - top).exp().unsqueeze(-1)
        two = other.unit * (other.log - top).exp().unsqueeze(-1)
        return Scaled.of(one + two, top)


def side_by_side(parts: Sequence[Scaled]) -> Scaled:
    """Vectors of different logarithms as one longer vector."""
    top = torch.stack([part.log for part in parts]).amax(dim=0)
    safe = torch.where(torch.isfinite(top), top, 0.0)
    return Scaled.of(
        torch.cat([part.unit * (part.log - safe).exp().unsqueeze(-1) for part in parts], dim=-1), safe
    )
