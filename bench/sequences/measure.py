"""One run: a model of a task, trained and scored on held-out data, with the CPU time of its training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from bench.sequences.tasks import Task
from carousel import Forecast, SequenceModel, fit
from carousel.models.sequences.heads import MLP_CELL
from carousel.training.sequences.score import ForecastScore


def measure(task: Task, folder: Path, cell: str, seed: int, quick: bool = False) -> dict[str, Any]:
    """The test figure, that of the simplest forecast or guess, the coverage of the intervals, and seconds."""
    head = Forecast(**task.forecast) if task.forecast else "classify"
    model = SequenceModel(cell, head, **(task.model | (task.without if cell == MLP_CELL else {})))
    length = {"epochs": None, "steps": 2} if quick else {}
    start = time.process_time()
    given = {**task.options, **length, "seed": seed, "threads": torch.get_num_threads(), "monitor": 0}
    run = fit(model, **task.read(folder), **given)
    seconds = time.process_time() - start
    found = {"task": task.name, "cell": cell, "seed": seed, "seconds": seconds, "step": run.best_step}
    if isinstance(run.test, ForecastScore):
        naive = {"test": run.test.mean_absolute[0], "simplest": run.test.mean_naive[0]}
        return found | naive | {"coverage": run.test.coverage, "share": run.test.error}
    most = max(sum(row) for row in run.test.confusion) / run.test.count
    return found | {"test": run.test.accuracy, "simplest": most, "balanced": run.test.balanced}
