"""Carousel: recurrent networks, fast on an ordinary CPU, with their memory in plain sight.

Importing the package loads neither torch nor NumPy: each public name is imported when it is first used, so that
the build and the command line can read the equations alone.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from carousel import torch_import
from carousel.errors import CarouselError

try:
    __version__ = version("carousel-rnn")
except PackageNotFoundError:  # read from a source tree that is not installed, as the build does
    __version__ = "0+source"

# public name -> the module that defines it
_HOMES = {
    "Cell": "carousel.equations",
    "Recurrent": "carousel.nn",
    "RNN": "carousel.nn",
    "LSTM": "carousel.nn",
    "GRU": "carousel.nn",
    "Stack": "carousel.nn",
    "Stepper": "carousel.nn",
    "Trace": "carousel.nn",
    "Recording": "carousel.nn",
    "recording": "carousel.nn",
    "LanguageModel": "carousel.models",
    "TDNNLanguageModel": "carousel.models",
    "SequenceModel": "carousel.models",
    "Forecast": "carousel.models",
    "LanguageConfig": "carousel.training",
    "SequenceConfig": "carousel.training",
    "fit": "carousel.training",
    "Run": "carousel.training",
    "Score": "carousel.training",
    "train": "carousel.report",
    "resume": "carousel.report",
    "load": "carousel.training",
    "evaluate": "carousel.training",
    "gradient_by_lag": "carousel.diagnosis",
    "diagnose": "carousel.diagnosis",
    "Diagnosis": "carousel.diagnosis",
    "Finding": "carousel.diagnosis",
    "report_run": "carousel.report",
    "Embedding": "carousel.embeddings",
    "EmbeddingConfig": "carousel.embeddings",
    "embed": "carousel.embeddings",
    "Vectors": "carousel.embeddings",
    "load_projection": "carousel.models",
    "from_torch": "carousel.nn",
    "to_torch": "carousel.nn",
}

# rooms that are reached by their name too, as in carousel.diagnosis.lyapunov
_ROOMS = ("data", "diagnosis", "embeddings", "equations", "losses", "models", "nn", "report", "training")

__all__ = ["CarouselError", "__version__", *_HOMES]

torch_import.register()


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"carousel.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
