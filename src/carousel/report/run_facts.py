"""What every report says of its run: why it ended, its options, the machine."""

from __future__ import annotations

import os
import platform
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

import carousel
from carousel.training.api import Run


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
