"""The training loop and everything that lets it be watched, stopped and resumed.

`training.config` loads no torch; the names below are imported when they are first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "LanguageConfig": "carousel.training.language.config",
    "SequenceConfig": "carousel.training.sequences.config",
    "fit": "carousel.training.sequences.fitting",
    "LabelScore": "carousel.training.sequences.score",
    "ForecastScore": "carousel.training.sequences.score",
    "RunFolder": "carousel.training.run.folder",
    "Score": "carousel.training.language.score",
    "Run": "carousel.training.api",
    "train": "carousel.training.api",
    "resume": "carousel.training.api",
    "load": "carousel.training.loading",
    "Interrupted": "carousel.training.run.interrupt",
    "Diverged": "carousel.training.loop.loop",
    "Row": "carousel.training.run.metrics",
    "read_metrics": "carousel.training.run.metrics",
    "evaluate": "carousel.training.evaluations",
    "Part": "carousel.training.language.evaluation",
    "TokenScore": "carousel.training.language.score",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
