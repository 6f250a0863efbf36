"""Forward and backward of a module as training calls it, for the sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.shapes import Shape


def drawn(shape: Shape) -> Tensor:
    """(T, B, H), the same at every call."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape.time, shape.batch, shape.hidden, generator=generator)


def training(module: torch.nn.Module, x: Any, **options: Any) -> Callable[[], list[Tensor]]:
    """A call that gives the gradient of every parameter, and of x where it asks for one."""
    parameters = list(module.parameters())
    leaves = [*parameters, x] if isinstance(x, Tensor) and x.requires_grad else parameters

    def call() -> list[Tensor]:
        output = module(x, **options)[0]
        end = output if isinstance(output, Tensor) else output.data
        return list(torch.autograd.grad(end, leaves, torch.ones_like(end)))

    return call
