"""The cells of examples/cells, compiled as users' cells are: their GFLOP/s beside those of the built-in LSTM."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Iterator
from pathlib import Path

import carousel
from bench.findings import Finding
from bench.kernels import Plan
from bench.measure import interleave
from bench.sections.training import drawn, training
from bench.shapes import SHAPES, Shape
from carousel.equations import Cell

FOLDER = Path(__file__).parents[2] / "examples" / "cells"


def measure(plan: Plan) -> Iterator[Finding]:
    shape = SHAPES["d"]
    x = drawn(shape).requires_grad_()
    for path in sorted(FOLDER.glob("*.py")):
        cell = _load(path)
        builtin = carousel.LSTM(shape.hidden, shape.hidden)
        module = carousel.Recurrent(cell, shape.hidden, shape.hidden)
        calls = {"own": training(module, x), "LSTM": training(builtin, x)}
        seconds = interleave(calls, plan.rounds, plan.turn)
        speed = {
            name: _flops(each, shape) / statistics.median(seconds[name])
            for name, each in (("own", module), ("LSTM", builtin))
        }
        recurrent = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight_hh"))
        products = recurrent >= shape.hidden**2  # else the work is not in products, and GFLOP/s says little
        what = f"{path.stem} at {shape}: GFLOP/s relative to the LSTM"
        goal = 0.9 if products else None
        yield Finding("own cells", what, speed["own"] / speed["LSTM"], "x", goal, at_least=True)


def _flops(module: carousel.Recurrent, shape: Shape) -> int:
    """6 T B operations for each number of a matrix of products, forward and backward."""
    matrices = (
        p for p in module.parameters() if p.dim() == 2 and p.shape[1] == shape.hidden and len(p) >= len(p.T)
    )
    return 6 * shape.time * shape.batch * sum(p.numel() for p in matrices)


def _load(path: Path) -> Cell:
    """The one cell that the file defines."""
    specification = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    [cell] = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    return cell()
