"""A trained model, ready to use; loads nothing of what only training needs."""

from pathlib import Path

from carousel.data import Vocabulary, load_vocabulary
from carousel.errors import CarouselError
from carousel.models.predictor import Predictor
from carousel.training.run.folder import weights_of


def load(path: str | Path) -> tuple[Predictor, Vocabulary]:
    """The best model of a run so far and its vocabulary, from the run's folder or from its weights alone.

    Raises CarouselError for a folder that is no run or has no weights yet, for a truncated, damaged or
    foreign file, and for weights that were saved without a vocabulary and have no vocabulary.json beside
    them.

        model, vocabulary = carousel.load("runs/001")
    """
    weights = weights_of(path)
    model, vocabulary = Predictor.load_with_vocabulary(weights)
    if vocabulary is None:
        vocabulary = load_vocabulary(weights.with_name("vocabulary.json"))
    if vocabulary.size != model.vocabulary_size:
        raise CarouselError(
            f"{weights} has {model.vocabulary_size} symbols, but its vocabulary has {vocabulary.size}: "
            "the two do not belong together."
        )
    return model, vocabulary
