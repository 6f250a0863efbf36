"""Carousel: recurrent networks, fast on an ordinary CPU, with their memory in plain sight.

Importing the package loads neither torch nor NumPy: each public name is imported when it is first used, so that
the build and the command line can read the equations alone.
"""

from typing import TYPE_CHECKING

from carousel import torch_import
from carousel.errors import CarouselError
from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel import data, diagnosis, embeddings, equations, losses, models, nn, report, training
    from carousel.diagnosis import Diagnosis, Finding, gradient_by_lag
    from carousel.diagnosis.diagnose import diagnose
    from carousel.embeddings import Embedding, EmbeddingConfig, Vectors, embed
    from carousel.equations import Cell
    from carousel.models import Forecast, LanguageModel, SequenceModel, TDNNLanguageModel, load_projection
    from carousel.nn import (
        GRU,
        LSTM,
        RNN,
        Recurrent,
        Stack,
        Stepper,
        Trace,
        from_torch,
        to_torch,
    )
    from carousel.nn.recordings import Recording, recording
    from carousel.report import report_run, resume, train
    from carousel.training import LanguageConfig, Run, Score, SequenceConfig, evaluate, fit, load
    from carousel.version import __version__
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    # modules: torch.nn's with more of their family, any cell, and what they can tell and do
    "RNN",
    "LSTM",
    "GRU",
    "Cell",
    "Recurrent",
    "Stack",
    "Stepper",
    "Trace",
    "Recording",
    "recording",
    "from_torch",
    "to_torch",
    # models
    "LanguageModel",
    "TDNNLanguageModel",
    "SequenceModel",
    "Forecast",
    "load_projection",
    # training and use
    "train",
    "resume",
    "fit",
    "load",
    "evaluate",
    "report_run",
    "LanguageConfig",
    "SequenceConfig",
    "Run",
    "Score",
    # diagnosis
    "diagnose",
    "Diagnosis",
    "Finding",
    "gradient_by_lag",
    # word vectors
    "embed",
    "Embedding",
    "EmbeddingConfig",
    "Vectors",
    # rooms: each offers more than stands here
    "data",
    "diagnosis",
    "embeddings",
    "equations",
    "losses",
    "models",
    "nn",
    "report",
    "training",
    # the rest
    "CarouselError",
    "__version__",
]

torch_import.register()
