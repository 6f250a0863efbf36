"""Training that can be watched, stopped and resumed, and the use of what was trained.

The modules of options (`config`) load no torch, so the names below are imported when they are first used.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.training.api import Run, resume, train
    from carousel.training.evaluations import evaluate
    from carousel.training.file_diagnosis import diagnose_file
    from carousel.training.language.config import LanguageConfig
    from carousel.training.language.score import Score, TokenScore
    from carousel.training.loading import load
    from carousel.training.loop.loop import Diverged
    from carousel.training.run.session import Interrupted
    from carousel.training.sequences.config import SequenceConfig
    from carousel.training.sequences.fitting import fit
    from carousel.training.sequences.score import ForecastScore, LabelScore
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "LanguageConfig",
    "SequenceConfig",
    "fit",
    "LabelScore",
    "ForecastScore",
    "Score",
    "Run",
    "train",
    "resume",
    "load",
    "Interrupted",
    "Diverged",
    "diagnose_file",
    "evaluate",
    "TokenScore",
]
