"""Texts drawn from a trained model, for `samples.txt`."""

from pathlib import Path

from carousel.atomic import write_atomic
from carousel.data import Vocabulary
from carousel.models.predictor import Predictor

TEMPERATURES = (0.5, 0.8, 1.0)
LENGTH = 600


def draw_samples(model: Predictor, vocabulary: Vocabulary, seed: int) -> dict[float, str]:
    """Temperature -> the beginning of a document drawn at it."""
    return {
        temperature: "".join(model.generate(vocabulary, length=LENGTH, temperature=temperature, seed=seed))
        for temperature in TEMPERATURES
    }


def write_samples(path: Path, model: Predictor, vocabulary: Vocabulary, seed: int) -> None:
    """Write samples with a heading each."""
    texts = draw_samples(model, vocabulary, seed)
    write_atomic(path, "\n".join(f"--- temperature {key:g}\n{text}\n" for key, text in texts.items()))
