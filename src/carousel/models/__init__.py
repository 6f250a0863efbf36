"""Models of sequences: what they predict, how they are sampled, and the simple ones they are compared with.

The names are imported when they are first used: `models.cells` is read where no torch is loaded.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "CELLS": "carousel.models.cells",
    "MODELS": "carousel.models.cells",
    "SEQUENCE_CELLS": "carousel.models.sequences.heads",
    "Tag": "carousel.models.sequences.heads",
    "Classify": "carousel.models.sequences.heads",
    "Forecast": "carousel.models.sequences.heads",
    "SequenceModel": "carousel.models.sequences.model",
    "Prediction": "carousel.models.sequences.predictions",
    "Predictor": "carousel.models.predictor",
    "LanguageModel": "carousel.models.language_model",
    "TDNNLanguageModel": "carousel.models.tdnn",
    "Ngram": "carousel.models.ngram",
    "load_projection": "carousel.models.projection",
    "Hypothesis": "carousel.models.beam",
    "beam_search": "carousel.models.beam",
    "TextModel": "carousel.models.generation",
    "sample": "carousel.models.sampling",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.models' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
