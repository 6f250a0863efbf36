"""States that begin anew inside the sequence, at one step of fifty: what the mask costs."""

from __future__ import annotations

from collections.abc import Iterator

import torch

import carousel
from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training


def measure(plan: Plan) -> Iterator[Finding]:
    for shape in plan.shapes:
        for name, make in {"LSTM": carousel.LSTM, "GRU": carousel.GRU}.items():
            module, x = make(shape.hidden, shape.hidden), drawn(shape)
            generator = torch.Generator().manual_seed(1)
            resets = torch.rand(shape.time, shape.batch, generator=generator) < 0.02
            calls = {"without": training(module, x), "with": training(module, x, resets=resets)}
            seconds = interleave(calls, plan.rounds, plan.turn)
            what = f"{name} at {shape}: time relative to the batch without resets"
            yield Finding("resets", what, times_of(seconds, "with", "without"), "x", 1.05)
