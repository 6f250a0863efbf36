"""The state of training in one file: a file of word vectors in which the rest rides along.

The file is written as one step, so that it is always whole, and `Vectors.load` opens it like any other.
"""

import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Corpus
from carousel.embeddings.formats import safetensors
from carousel.embeddings.formats.content import Content, Reading, damaged
from carousel.embeddings.formats.detection import detect
from carousel.embeddings.position import Position
from carousel.embeddings.vocabulary import Vocabulary
from carousel.embeddings.weights import Weights
from carousel.errors import CarouselError

# how training is watched and stored changes no vector; the text itself has a checksum
_FREE = {"checkpoint", "checkpoint_seconds", "paths", "threads", "deterministic"}


@dataclass(frozen=True)
class State:
    """What a file holds. `text` is the checksum of the text that it was trained on."""

    config: EmbeddingConfig
    vocabulary: Vocabulary
    weights: Weights
    position: Position
    text: int


def fingerprint(corpus: Corpus) -> int:
    """CRC-32 of the words and the ids."""
    value = zlib.crc32("\n".join(corpus.vocabulary.words).encode("utf-8", "replace"))
    for begin in range(0, len(corpus.ids), 1 << 22):
        value = zlib.crc32(np.ascontiguousarray(corpus.ids[begin : begin + (1 << 22)]).data, value)
    return value


def check_place(path: str | Path) -> None:
    """Raise CarouselError unless a checkpoint can be written there: known before training, not after it."""
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CarouselError(f"checkpoint must be a file in a folder that can be written to; got {path}.")


def save_state(path: str | Path, state: State) -> None:
    """Write everything, atomically."""
    weights, best, d = state.weights, state.position.best, state.weights.dimension
    more = {"output": weights.output[:, :d]}
    if best is not None:
        more |= {"best_input": best.input[:, :d], "best_output": best.output[:, :d]}
    about = {
        "config": state.config.to_dict(),
        "position": state.position.to_dict(),
        "text": state.text,
    }
    content = Content(state.vocabulary.words, weights.input[:, :d], state.vocabulary.counts)
    safetensors.save(path, content, more, about)


def load_state(path: str | Path) -> State:
    """Read what `save_state` wrote.

    Raises CarouselError for a file that is missing, damaged, or holds word vectors without their training.
    """
    path = Path(path)
    if not path.is_file():
        raise CarouselError(f"{path} does not exist. Give a file that Embedding.save or a checkpoint wrote.")
    if detect(path) != "safetensors":
        raise CarouselError(
            f"{path} holds word vectors alone, in a format that has no place for their training. Give the "
            ".safetensors file that `carousel embed train`, Embedding.save or a checkpoint wrote."
        )
    content = safetensors.load(path, Reading())
    found = safetensors.load_more(path)
    if found is None or "output" not in found[0] or content.counts is None:
        raise CarouselError(
            f"{path} holds word vectors alone; to go on training, the file of Embedding.save is needed. "
            "To use the vectors: carousel.Vectors.load."
        )
    more, about = found
    try:
        config = EmbeddingConfig(**about["config"])
        position = Position.from_dict(about["position"])
        text = int(about["text"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"has a description that cannot be read ({error})") from None
    _check_shapes(path, config, content.matrix, more)
    weights = Weights.of(content.matrix, more["output"])
    if "best_input" in more:
        position.best = Weights.of(more["best_input"], more["best_output"])
    return State(config, Vocabulary(content.words, content.counts), weights, position, text)


def check_same(state: State, config: EmbeddingConfig, text: int, path: str | Path) -> None:
    """Raise CarouselError unless the file was written under these options, for this text."""
    saved, given = asdict(state.config), asdict(config)
    for name, value in given.items():
        if name not in _FREE and saved[name] != value:
            raise CarouselError(
                f"training goes on with the options it began with: {name} was {saved[name]!r} in {path}, but is "
                f"{value!r} now. Put it back, or give another checkpoint file."
            )
    if state.text != text:
        raise CarouselError(
            f"training goes on with the text it began with, but {path} was made from another one. "
            "Put it back, give another checkpoint file, or use Embedding.train_more for new text."
        )


def _check_shapes(
    path: Path, config: EmbeddingConfig, matrix: np.ndarray, more: Mapping[str, np.ndarray]
) -> None:
    """Raise CarouselError for matrices that do not fit each other and the options."""
    words, d = matrix.shape
    outputs = (words - (config.output == "hierarchical"), d)
    expected = {"output": outputs, "best_input": (words, d), "best_output": outputs}
    for name, shape in expected.items():
        if name in more and more[name].shape != shape:
            raise damaged(
                path, f"has {name} of shape {more[name].shape} beside vectors of shape {matrix.shape}"
            )
    if ("best_input" in more) != ("best_output" in more) or config.dimension != d:
        raise damaged(path, "has matrices that do not fit its description")
