"""The training loop and everything that lets it be watched, stopped and resumed.

`training.config` loads no torch; the names below are imported when they are first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Config": "carousel.training.language.config",
    "SequenceConfig": "carousel.training.sequences.config",
    "fit": "carousel.training.sequences.fitting",
    "score_sequences": "carousel.training.sequences.evaluation",
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
    "Row": "carousel.training.language.row",
    "read_metrics": "carousel.training.run.metrics",
    "evaluate": "carousel.training.language.evaluation",
    "Part": "carousel.training.language.evaluation",
    "score_documents": "carousel.training.language.evaluation",
    "score_lines": "carousel.training.language.evaluation",
    "score_tokens": "carousel.training.language.evaluation",
    "TokenScore": "carousel.training.language.score",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
