"""Sequences half as long as the longest on average: beside the padded batch and torch's PackedSequence."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.utils.rnn import pack_padded_sequence

import carousel
from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training
from bench.shapes import Shape

SHAPES = [Shape(100, 16, 128), Shape(100, 32, 256), Shape(1000, 16, 64)]


def measure(plan: Plan) -> Iterator[Finding]:
    for shape in SHAPES:
        lengths = torch.linspace(1, shape.time, shape.batch).round().long()
        module, peer = carousel.LSTM(shape.hidden, shape.hidden), torch.nn.LSTM(shape.hidden, shape.hidden)
        x = drawn(shape)
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        calls = {
            "padded": training(module, x),
            "ragged": training(module, x, lengths=lengths),
            "packed": training(module, packed),
            "torch": training(peer, packed),
        }
        seconds = interleave(calls, plan.rounds, plan.turn)
        mean = float(lengths.double().mean()) / shape.time
        for way in ("ragged", "packed"):
            name = "lengths=" if way == "ragged" else "PackedSequence"
            what = (
                f"LSTM at {shape}, {mean:.0%} of its steps valid, {name}: time relative to the padded batch"
            )
            yield Finding("ragged", what, times_of(seconds, way, "padded"), "x", 0.6)
        goal = 10.0 if shape.time >= 1000 else None
        what = f"LSTM at {shape}: times as fast as torch.nn with PackedSequence"
        yield Finding("ragged", what, times_of(seconds, "torch", "packed"), "x", goal, at_least=True)
