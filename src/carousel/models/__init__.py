"""Models of sequences: what they predict, how they are sampled, and the simple ones they are compared with.

The names are imported when they are first used: `models.cells` is read where no torch is loaded.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "CELLS": "carousel.models.cells",
    "LanguageModel": "carousel.models.language_model",
    "Ngram": "carousel.models.ngram",
    "generate": "carousel.models.sampling",
    "load_projection": "carousel.models.projection",
    "sample": "carousel.models.sampling",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.models' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
