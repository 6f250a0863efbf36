"""What a variant costs over the cell it comes from: diagonal peepholes, and the GRU that resets before the product."""

from __future__ import annotations

from collections.abc import Iterator

import carousel
from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training


def measure(plan: Plan) -> Iterator[Finding]:
    for shape in plan.shapes:
        width = shape.hidden
        x = drawn(shape).requires_grad_()
        modules = {
            "plain": carousel.LSTM(width, width),
            "peephole": carousel.LSTM(width, width, peephole="diagonal"),
            "after": carousel.GRU(width, width),
            "before": carousel.GRU(width, width, reset="before"),
        }
        seconds = interleave({name: training(m, x) for name, m in modules.items()}, plan.rounds, plan.turn)
        what = f"LSTM with diagonal peephole at {shape}: time relative to the LSTM"
        yield Finding("variants", what, times_of(seconds, "peephole", "plain"), "x", 1.1)
        goal = 1.2 if shape.batch >= 16 else None
        what = f"GRU, reset before, at {shape}: time relative to reset after"
        yield Finding("variants", what, times_of(seconds, "before", "after"), "x", goal)
