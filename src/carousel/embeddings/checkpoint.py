"""The state of training in one file: a file of word vectors with further tensors.

The file is replaced in one step, so that it is always whole. `Vectors.load` opens it like any other.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from carousel.atomic import storage_errors
from carousel.embeddings.config import EmbeddingConfig
from carousel.embeddings.corpus import Corpus
from carousel.embeddings.formats import safetensors
from carousel.embeddings.formats.content import Content, damaged
from carousel.embeddings.formats.opening import detect, vector_file
from carousel.embeddings.neighbours import row_slices
from carousel.embeddings.weights import Weights
from carousel.embeddings.word_counts import WordCounts
from carousel.errors import CarouselError, shown
from carousel.locks import locked
from carousel.plain import typed

_MOST = 2.0**62  # tokens
_LONGEST_NAME = 220  # bytes; what is written first has a longer name
# how training is watched and stored changes no vector; the text itself has a checksum
_FREE = {"checkpoint", "checkpoint_seconds", "paths", "threads", "deterministic"}


@dataclass
class Position:
    """Where training stands, and what it has seen of the held-out loss."""

    epoch: int = 0  # whole epochs done
    block: int = 0  # blocks of the next epoch done
    seconds: float = 0.0
    reason: str | None = None  # why training ended, once it has
    history: list[tuple[float, float]] = field(
        default_factory=list
    )  # (epochs, held-out loss) of each estimate
    best: Weights | None = field(default=None, init=False)  # of the lowest loss, kept for early stopping

    @property
    def waited(self) -> int:
        """Estimates since the lowest loss."""
        losses = [loss for _, loss in self.history]
        return len(losses) - 1 - losses.index(min(losses)) if losses else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the weights are stored elsewhere."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}

    @classmethod
    def from_dict(cls, values: dict[str, Any], config: EmbeddingConfig) -> Self:
        """What `to_dict` gave; raises CarouselError for values that no training with these options comes to."""
        found = typed(cls, values, "position")
        numbers = [
            found.epoch,
            found.block,
            found.seconds,
            *(each for pair in found.history for each in pair),
        ]
        if values.keys() != found.to_dict().keys() or min(numbers) < 0:
            raise CarouselError("position must hold every field, and no number below 0")
        if found.reason not in (None, "epochs", "patience"):
            raise CarouselError(f"reason must be epochs, patience or none; got {shown(found.reason)}")
        if found.epoch > config.passes or (found.reason is None and found.epoch == config.passes):
            raise CarouselError(f"epoch must be one of {config.passes:,}; got {shown(found.epoch)}")
        return found


@dataclass(frozen=True)
class State:
    """What the file holds."""

    config: EmbeddingConfig
    vocabulary: WordCounts
    weights: Weights
    position: Position
    text: int  # checksum of the text that the vectors were trained on


def fingerprint(corpus: Corpus) -> int:
    """CRC-32 of the words and the ids."""
    value = zlib.crc32("\n".join(corpus.vocabulary.words).encode("utf-8", "replace"))
    for begin in range(0, len(corpus.ids), 1 << 22):
        value = zlib.crc32(np.ascontiguousarray(corpus.ids[begin : begin + (1 << 22)]).data, value)
    return value


def check_place(path: str | Path) -> None:
    """Raise CarouselError, before training begins, unless a checkpoint can be written to `path`."""
    path = Path(path)
    if not writable(path):
        raise CarouselError(
            f"checkpoint must be a file in a folder that you may write to; got {shown(path)}. Give another path."
        )


def writable(path: Path) -> bool:
    """Whether a file can be written here: there is no folder, pipe or device, and you may write to the folder."""
    # os.path answers where Path raises: for names that are too long, or hold a zero byte
    taken = os.path.exists(path) and not os.path.isfile(path)
    named = 0 < len(os.fsencode(path.name)) < _LONGEST_NAME and "\0" not in str(path)
    return named and not taken and os.path.isdir(path.parent) and os.access(path.parent, os.W_OK)


@contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """Keep other processes and threads from training into this file while the block runs.

    Each save replaces the file, and a lock on it would be lost, so a hidden file in the same folder is locked.

    Raises CarouselError if another process or thread trains into the file.
    """
    name = Path(path).name
    beside = Path(path).with_name(f".{name}.lock")
    with storage_errors(beside):
        beside.touch()
        number = beside.stat().st_ino
    with locked(beside, f"trains into {name}"):
        # the holder may have ended just now, and another process begun with a new lock file
        if not beside.exists() or beside.stat().st_ino != number:
            raise CarouselError(
                f"only one process at a time trains into {path}; another one does so now. Wait for it, or stop it."
            )
        try:
            yield
        finally:
            beside.unlink(missing_ok=True)


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
    with vector_file(path) as (head, source):
        if detect(head, path) != "safetensors" or source.size is None:
            raise CarouselError(
                f"training goes on from a .safetensors file; {path} holds word vectors alone, in another format. Give "
                "the file that `carousel embed train`, Embedding.save or a checkpoint wrote."
            )
        found = safetensors.load_more(source)
    content, more, about = found or (None, {}, {})
    if content is None or content.counts is None:
        raise CarouselError(
            f"training goes on from a file that holds its state; {path} holds word vectors alone. Give the file of "
            "Embedding.save, or open the vectors with carousel.Vectors.load."
        )
    try:
        config = EmbeddingConfig(**about["config"])
        position = Position.from_dict(about["position"], config)
        text = about["text"]
        if type(text) is not int or not 0 <= text < 1 << 32:
            raise ValueError(f"the checksum of the text is {shown(text)}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path, f"has a description that cannot be read ({shown(str(error), 200)})") from None
    vocabulary = WordCounts(content.words, content.counts)
    _check_tensors(path, config, content, more)
    weights = Weights.of(content.matrix, more["output"])
    if "best_input" in more:
        position.best = Weights.of(more["best_input"], more["best_output"])
    return State(config, vocabulary, weights, position, text)


def check_same(state: State, config: EmbeddingConfig, words: list[str], text: int, path: str | Path) -> None:
    """Raise CarouselError unless the file was written under these options, for this text."""
    saved, given = asdict(state.config), asdict(config)
    for name, value in given.items():
        if name not in _FREE and saved[name] != value:
            raise CarouselError(
                f"training goes on with the options that it began with: {name} was {shown(saved[name])} in {path}, but "
                f"is {shown(value)} now. Restore {name}, or give another checkpoint file."
            )
    if state.text != text or state.vocabulary.words != words:
        raise CarouselError(
            f"training goes on with the text that it began with, but {path} was made from another one. "
            "Restore the text, give another checkpoint file, or use Embedding.train_more for new text."
        )


def _check_tensors(
    path: Path, config: EmbeddingConfig, content: Content, more: Mapping[str, np.ndarray]
) -> None:
    """Raise CarouselError for tensors that do not fit each other and the options, and for numbers out of range."""
    words, d = content.matrix.shape
    outputs = (words - (config.output == "hierarchical"), d)
    expected = {"output": outputs, "best_input": (words, d), "best_output": outputs}
    both = {"best_input", "best_output"}
    if words < 2 or config.dimension != d or set(more) not in ({"output"}, {"output"} | both):
        raise damaged(path, "has matrices that do not fit its description")
    for name, array in more.items():
        if array.shape != expected[name]:
            raise damaged(
                path, f"has {name} of shape {array.shape} beside vectors of shape {content.matrix.shape}"
            )
    for array in (content.matrix, *more.values()):
        if not all(np.isfinite(array[rows]).all() for rows in row_slices(*array.shape)):
            raise damaged(path, "has weights that are not finite")
    counts = content.counts
    # summed in floating point, where nothing overflows
    if (
        counts is None
        or counts.min() < 1
        or (counts[1:] > counts[:-1]).any()
        or counts.sum(dtype=float) > _MOST
    ):
        raise damaged(path, "has counts that are not those of words by their frequency")
