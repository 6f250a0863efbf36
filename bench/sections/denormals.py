"""Inputs and weights too small to be normal numbers: what they cost, beside usual ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

import carousel
from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training
from bench.shapes import SHAPES


def measure(plan: Plan) -> Iterator[Finding]:
    shape = SHAPES["c"]
    for name, make in {"LSTM": carousel.LSTM, "GRU": carousel.GRU}.items():
        module = make(shape.hidden, shape.hidden)
        tiny = copy.deepcopy(module)
        with torch.no_grad():
            for parameter in tiny.parameters():
                parameter.mul_(1e-38)
        usual, small = drawn(shape).requires_grad_(), (drawn(shape) * 1e-39).requires_grad_()
        calls = {
            "usual": training(module, usual),
            "tiny inputs": training(module, small),
            "tiny weights": training(tiny, usual),
            "both": training(tiny, small),
        }
        seconds = interleave(calls, plan.rounds, plan.turn)
        for way in list(calls)[1:]:
            what = f"{name} at {shape}, {way}: time relative to normal numbers"
            yield Finding("denormals", what, times_of(seconds, way, "usual"), "x", 1.2)
