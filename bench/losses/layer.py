"""Linear layer and cross-entropy, forward and backward: ours and torch's, in time and in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.measure import interleave
from carousel.losses import linear_cross_entropy


@dataclass(frozen=True)
class Shape:
    """tokens in a batch (T B), hidden size H, vocabulary V."""

    tokens: int
    hidden: int
    vocabulary: int


SHAPES = [
    Shape(700, 200, 10_000),
    Shape(700, 200, 33_278),
    Shape(700, 650, 10_000),
    Shape(2_000, 200, 10_000),
    Shape(8_192, 512, 65),
]


@dataclass(frozen=True)
class Case:
    """Inputs that want gradients."""

    x: Tensor
    weight: Tensor
    bias: Tensor
    targets: Tensor

    def run(self, loss: Callable[[Case], Tensor], bfloat16: bool = False) -> float:
        """The loss; gradients are made and left in `grad`."""
        for tensor in (self.x, self.weight, self.bias):
            tensor.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            value = loss(self)
        value.backward()
        return value.item()


def case(shape: Shape) -> Case:
    generator = torch.Generator().manual_seed(0)
    sizes = [(shape.tokens, shape.hidden), (shape.vocabulary, shape.hidden), (shape.vocabulary,)]
    x, weight, bias = (torch.randn(size, generator=generator) / 5 for size in sizes)
    targets = torch.randint(shape.vocabulary, (shape.tokens,), generator=generator)
    return Case(x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), targets)


def fused(given: Case) -> Tensor:
    return linear_cross_entropy(given.x, given.weight, given.targets, given.bias)


def plain(given: Case) -> Tensor:
    return F.cross_entropy(F.linear(given.x, given.weight, given.bias), given.targets)


LOSSES = {"carousel": fused, "torch": plain}


def measure(shape: Shape, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round.

    Raises RuntimeError if two compute different losses or gradients.
    """
    given = case(shape)
    _check_agreement(given)
    contenders = {
        name + (" bf16" if bfloat16 else ""): lambda loss=loss, bfloat16=bfloat16: given.run(loss, bfloat16)
        for name, loss in LOSSES.items()
        for bfloat16 in (False, True)
    }
    return interleave(contenders, rounds)


def _check_agreement(given: Case) -> None:
    results = []
    for loss in LOSSES.values():
        value = torch.tensor(given.run(loss))
        results.append([value, *(t.grad for t in (given.x, given.weight, given.bias) if t.grad is not None)])
    for ours, theirs in zip(*results, strict=True):
        error = float((ours - theirs).abs().max() / theirs.abs().max())
        if not error < 1e-3:
            raise RuntimeError(f"Contenders must compute the same to 1e-3; they are {error:.2g} apart.")


def extra_memory(name: str, shape: Shape, threads: int) -> float:
    """MB that a fresh process needs for loss and gradients, beside inputs and gradients themselves.

    Glibc gives large blocks back at once, as it does at first, and does not learn to keep them: else the peak depends
    on which sizes came before.
    """
    numbers = [str(number) for number in (shape.tokens, shape.hidden, shape.vocabulary, threads)]
    command = [sys.executable, "-m", "bench.losses.memory", name, *numbers]
    given_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 16)}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=given_back).stdout)
