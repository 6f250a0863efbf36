"""What every report has of its run: its numbers, what it is compared with, why it ended, its options, the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import carousel
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.result import Diagnosis
from carousel.training.api import Run


@dataclass(frozen=True)
class Comparison:
    """What a model is compared with, by the same figure on the test part."""

    name: str
    figure: float
    kind: str = "other"  # "model", "ngram" (of characters), "token-ngram" or "compressor"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The numbers of any run. Nothing here is drawn yet."""

    run: str
    cell: str
    hidden_size: int
    num_layers: int
    parameters: int
    seconds: float
    best_step: int
    comparisons: Sequence[Comparison] = ()
    diagnosis: Diagnosis | None = None
    stopped: str = ""
    config: dict[str, object] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)


def run_facts(run: Run, model: nn.Module) -> dict[str, Any]:
    """The fields of a RunReport that are the same for all kinds of models."""
    return {
        "run": str(run.path),
        "cell": run.config.cell,
        "hidden_size": run.config.hidden_size,
        "num_layers": run.config.num_layers,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": run.seconds,
        "best_step": run.best_step,
        "stopped": why_stopped(run),
        "config": configuration(run),
        "environment": environment(run),
    }


def has_recurrence(model: nn.Module) -> bool:
    """Whether there is a layer to diagnose."""
    return any(is_recurrent(module) for module in model.modules())


def why_stopped(run: Run) -> str:
    """A sentence about a run that ended before its last step; "" of any other."""
    if run.reason != "patience":
        return ""
    return (
        f"Stopped early: {run.config.patience} evaluations in a row "
        f"brought nothing better than step {run.best_step:,}."
    )


def configuration(run: Run) -> dict[str, object]:
    """The options of a run as a reader sees them."""
    options = {name.replace("_", " ").strip(): value for name, value in run.config.to_dict().items()}
    options["paths"] = ", ".join(run.config.paths)
    return {
        name: "–" if value is None else "yes" if value is True else "no" if value is False else value
        for name, value in options.items()
        if name != "out"
    }


def environment(run: Run) -> dict[str, object]:
    """The machine and the versions that a report was written with."""
    return {
        "written": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "carousel": carousel.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or "unknown",
        "threads": run.config.threads or torch.get_num_threads(),
    }


def _processor() -> str:
    """The name that Linux knows; what Python says elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
