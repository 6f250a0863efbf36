"""One step of one sequence: the compiled part, the Python call, torch.nn and ONNX Runtime, on one thread and on two.

A step reads every weight once, and multiplies it once: beside it stands what reading alone takes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np
import torch

import carousel
from bench.cells import CELLS
from bench.findings import Finding
from bench.kernels import Plan
from bench.measure import interleave
from bench.peers import load_peers
from bench.problem import problem
from bench.shapes import Shape

# (H, threads) -> at most so many microseconds in the compiled part, as a Python call
GOALS: dict[tuple[int, int], tuple[float | None, float | None]] = {
    (64, 1): (2, 5), (64, 2): (None, None), (256, 1): (22, None), (256, 2): (14, None),
}  # fmt: skip
READING = "torch.sum over as many numbers as the LSTM has weights"


def measure(plan: Plan) -> Iterator[Finding]:
    before = torch.get_num_threads()
    for (hidden, threads), goals in GOALS.items():
        if threads > plan.threads:
            continue
        torch.set_num_threads(threads)
        seconds = interleave(_contenders(hidden, threads), plan.rounds, plan.turn)
        for name, times in seconds.items():
            goal = {"the compiled part": goals[0], "the Python call": goals[1]}.get(name)
            what = f"LSTM, H {hidden}, {threads} thread{'s' if threads > 1 else ''}: {name}"
            limit = min(seconds[READING]) * 1e6 if name == "the compiled part" else None
            yield Finding(
                "one step", what, statistics.median(times) * 1e6, "µs", goal, limit=limit, why=READING
            )
    torch.set_num_threads(before)


def _contenders(hidden: int, threads: int) -> dict[str, Callable[[], object]]:
    module = carousel.LSTM(hidden, hidden)
    stepper = module.stepper(threads=threads)
    x = np.random.default_rng(0).standard_normal(hidden).astype(np.float32)
    stepper.step(x)
    weights = torch.randn(4 * hidden * 2 * hidden)
    calls: dict[str, Callable[[], object]] = {
        "the compiled part": stepper._core.step,
        "the Python call": lambda: stepper.step(x),
        "torch.nn": _torch_step(hidden),
        READING: weights.sum,
    }
    found, _ = load_peers(["ONNX Runtime"])
    for name, peer in found.items():
        calls[name] = peer.prepare(problem(CELLS["lstm"], Shape(1, 1, hidden), backward=False), threads)
    return calls


def _torch_step(hidden: int) -> Callable[[], object]:
    module = torch.nn.LSTM(hidden, hidden)
    x, state = torch.randn(1, 1, hidden), (torch.zeros(1, 1, hidden), torch.zeros(1, 1, hidden))

    def step() -> object:
        with torch.no_grad():
            return module(x, state)

    return step
