"""A small report with every part of a real one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from carousel.diagnosis import Diagnosis, StateGradientNorms, diagnose, text_properties, tracking_units
from carousel.diagnosis.measures.gates import gate_statistics
from carousel.diagnosis.measures.tracking_units import unit_strips
from carousel.nn import LSTM
from carousel.nn.trace import Trace
from carousel.report import Comparison, CurvePoint, Sample, Snippet, TrainingReport

TEXT = "def f(a, b):\n    return g([a, b], '<x>')  # & so on\n\n" * 6
NAMES = {"lstm": "ifgcoh", "gru": "rznh", "rnn": "h"}


def make_trace(cell: str, text: str = TEXT, hidden: int = 9) -> Trace:
    """Random gates, and states of which one unit each follows brackets, columns and strings."""
    rng = np.random.default_rng(0)
    values = {name: rng.random((len(text), hidden)) for name in NAMES[cell]}
    properties = {each.name: each.values for each in text_properties(text)}
    state = values["c" if "c" in values else "h"]
    for unit, name in enumerate(("brackets", "column", "string")):
        state[:, unit] = 0.5 - properties[name] / properties[name].max() + 0.01 * state[:, unit]
    return Trace(0, "forward", {name: torch.tensor(value)[:, None] for name, value in values.items()})


@pytest.fixture
def make_report() -> Callable[..., TrainingReport]:
    """A function that makes a report for a cell, with fields of one's own."""

    def make(cell: str = "lstm", **changes: Any) -> TrainingReport:
        trace = make_trace(cell)
        units = tracking_units([trace], text_properties(TEXT), 8)
        norms = {name: 0.9 ** np.arange(1, 61)[:, None, None] * np.ones((60, 1, 8)) for name in ("h", "c")}
        fields: dict[str, Any] = {
            "run": "runs/001",
            "cell": cell,
            "level": "char",
            "hidden_size": 9,
            "num_layers": 1,
            "parameters": 12345,
            "seconds": 182.4,
            "tokens_per_second": 45678.9,
            "characters": 1.6e6,
            "curves": [
                CurvePoint(
                    k, 16000.0 * k, 1.8 * k, 6 / k**0.3, 6.1 / k**0.3 if k % 10 == 0 else None, 2 / k, 4e-3
                )
                for k in range(1, 101)
            ],
            "best_step": 100,
            "best_valid": 1.5321,
            "test": 1.6273,
            "test_characters": 499298,
            "comparisons": [
                Comparison("the interpolated 5-gram", 2.1034, "ngram"),
                Comparison("xz -9", 1.8612, "compressor"),
            ],
            "samples": [Sample("f(x):\n    return <x> & y", "def ", 0.8, 1)],
            "snippet": Snippet(
                [*TEXT[:150]], unit_strips([trace], units, slice(0, 150)), "a/b.py", len(TEXT)
            ),
            "gates": gate_statistics([trace]),
            "gradient": StateGradientNorms(norms),
            "bptt": 100,
            "clip": 1.0,
            "config": {"cell": cell, "lr": 0.004},
            "environment": {"torch": "2.x"},
        }
        return TrainingReport(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def diagnosis() -> Diagnosis:
    """A sick LSTM of two layers that reads text."""
    torch.manual_seed(0)
    text = "def f(a):\n    return [a, 'b']\n" * 2
    model = torch.nn.Sequential(torch.nn.Embedding(128, 4), LSTM(4, 10, num_layers=2))
    with torch.no_grad():
        model[1].bias_ih_l0[10:20] = model[1].bias_ih_l1[10:20] = -3.0
    return diagnose(model, torch.tensor([ord(c) for c in text])[:, None], text=text)
