"""The class of each architecture of language models, and the model that a file of weights holds."""

from pathlib import Path

from carousel.errors import CarouselError
from carousel.models.cells import MODELS
from carousel.models.language_model import LanguageModel
from carousel.models.predictor import KIND, Predictor
from carousel.models.tdnn import TDNNLanguageModel
from carousel.models.tensors import load_description, weights_in

ARCHITECTURES: dict[str, type[LanguageModel] | type[TDNNLanguageModel]] = {
    each.architecture: each for each in (LanguageModel, TDNNLanguageModel)
}


def load_model(path: str | Path) -> Predictor:
    """The language model in a file of weights or in a run's folder, whatever its architecture, in eval mode.

    Raises CarouselError as `Predictor.load`, and for an architecture that is not known here.
    """
    path = weights_in(path)
    architecture = load_description(path, KIND).get("architecture", MODELS[0])
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        raise CarouselError(
            f"{path} holds a model of the architecture {architecture!s:.40}; known are "
            f"{', '.join(ARCHITECTURES)}. Use a newer version of Carousel."
        )
    return ARCHITECTURES[architecture].load(path)
