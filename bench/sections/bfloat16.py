"""Products in bfloat16 beside our own float32, forward and backward, and how far the gradients are from float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

import carousel
from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training

CELLS = {"LSTM": carousel.LSTM, "GRU": carousel.GRU, "RNN": carousel.RNN}


def measure(plan: Plan) -> Iterator[Finding]:
    shapes = [shape for shape in plan.shapes if shape.batch > 1]
    for shape in shapes:
        for name, make in CELLS.items():
            module, x = make(shape.hidden, shape.hidden), drawn(shape).requires_grad_()
            single = training(module, x)
            narrow = training(
                copy.deepcopy(module).to(torch.bfloat16), drawn(shape).bfloat16().requires_grad_()
            )
            calls = {"float32": single, "autocast": _autocast(single), "module dtype": narrow}
            seconds = interleave(calls, plan.rounds, plan.turn)
            goal = 1.6 if shape.hidden >= 512 else None
            for way in ("autocast", "module dtype"):
                what = f"{name} at {shape}, {way}: times as fast as float32"
                yield Finding("bfloat16", what, times_of(seconds, "float32", way), "x", goal, at_least=True)
            truth = training(copy.deepcopy(module).double(), drawn(shape).double().requires_grad_())()
            for way, found in (("bfloat16", _autocast(single)()), ("float32", single())):
                what = f"{name} at {shape}: largest error of a gradient in {way}, against float64"
                yield Finding("bfloat16", what, _error(found, truth), "of its length")


def _autocast(call: Callable[[], list[Tensor]]) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return call()

    return run


def _error(found: list[Tensor], truth: list[Tensor]) -> float:
    """The largest distance of a gradient from the truth, by the truth's length."""
    return max(float((a.double() - b).norm() / b.norm()) for a, b in zip(found, truth, strict=True))
