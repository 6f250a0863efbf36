"""Models of text and of other sequences, sampling and search, and the n-grams they are compared with.

The names are imported when they are first used, because the command line reads `models.cells` without torch.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.models.beam import Hypothesis, beam_search
    from carousel.models.cells import CELLS
    from carousel.models.generation import TextModel
    from carousel.models.language_model import LanguageModel
    from carousel.models.ngram import Ngram
    from carousel.models.projection import load_projection
    from carousel.models.sampling import sample
    from carousel.models.sequences.heads import Forecast
    from carousel.models.sequences.model import SequenceModel
    from carousel.models.sequences.predictions import Prediction
    from carousel.models.tdnn import TDNNLanguageModel
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "CELLS",
    "Forecast",
    "SequenceModel",
    "Prediction",
    "LanguageModel",
    "TDNNLanguageModel",
    "Ngram",
    "load_projection",
    "Hypothesis",
    "beam_search",
    "TextModel",
    "sample",
]
