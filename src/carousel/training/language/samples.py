"""Texts drawn from a trained model, for `samples.txt`."""

from pathlib import Path

from carousel.atomic import write_atomic
from carousel.models.predictor import Predictor

TEMPERATURES = (0.5, 0.8, 1.0)
LENGTH = 600


def draw_samples(model: Predictor, seed: int) -> dict[float, str]:
    """Temperature -> the beginning of a document drawn at it."""
    return {
        temperature: model.generate(length=LENGTH, temperature=temperature, seed=seed)
        for temperature in TEMPERATURES
    }


def write_samples(path: Path, model: Predictor, seed: int) -> None:
    """Write samples with a heading each."""
    texts = draw_samples(model, seed)
    write_atomic(path, "\n".join(f"--- temperature {key:g}\n{text}\n" for key, text in texts.items()))
