"""What a run learns from and is judged by: the three parts of its text as numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np

from carousel.data import (
    LargeDocument,
    Split,
    Vocabulary,
    Windows,
    describe_skipped,
    fit_vocabulary,
    load_corpus,
    load_vocabulary,
)
from carousel.data.vocabularies.token import size_without_rare
from carousel.errors import CarouselError
from carousel.training.config import Config
from carousel.training.evaluation import Part
from carousel.training.progress import Note, Observer, Stage, silent


@dataclass(frozen=True)
class Corpus:
    """The documents of a run, its vocabulary, and its parts as streams of symbols."""

    split: Split
    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part

    @property
    def large(self) -> bool:
        """Whether it does not fit into memory."""
        documents = (*self.split.train, *self.split.valid, *self.split.test)
        return any(isinstance(document, LargeDocument) for document in documents)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all symbols in their order: equal only for the same text under the same vocabulary."""
        digest = blake2b(digest_size=16)
        for part in (self.train, self.valid, self.test):
            digest.update(np.int64(part.tokens).tobytes())
            for start in range(0, len(part.ids), 1 << 24):  # a mapped file is never in memory as a whole
                digest.update(part.ids[start : start + (1 << 24)].astype("<i4", copy=False).tobytes())
        return digest.hexdigest()


def load(config: Config, vocabulary: Path | None = None, on_event: Observer = silent) -> Corpus:
    """Read the files that `config` names; the vocabulary is learned from train unless its file exists.

    Raises CarouselError for bad paths, files that are no text, and text that is too short.
    """
    skipped: list[Path] = []
    split = load_corpus(config.paths, on_skip=skipped.append)
    if skipped:
        on_event(Note(describe_skipped(skipped)))
    symbols = (
        load_vocabulary(vocabulary)
        if vocabulary is not None and vocabulary.exists()
        else _learned(config, split, on_event)
    )
    named = {"train": split.train, "valid": split.valid, "test": split.test}
    parts = [Part.of(documents, symbols, _told(name, on_event)) for name, documents in named.items()]
    _check_length(config, parts[0])
    return Corpus(split, symbols, *parts)


def _learned(config: Config, split: Split, on_event: Observer) -> Vocabulary:
    """The vocabulary of the train part; text that is no corpus of three files may well write no `<unk>`."""
    size = config.vocabulary_size
    if config.level == "token" and size is None and not split.brought:
        size = size_without_rare(piece for document in split.train for piece in document.pieces())
        if size is not None:
            on_event(
                Note(f"the text writes no <unk>: it stands for all but the {size - 2:,} most frequent words")
            )
    return fit_vocabulary(config.level, split.train, size)


def _told(name: str, on_event: Observer) -> Callable[[int, int], None]:
    """Progress of a large part as it becomes numbers, one Stage for each tenth."""
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        if (tenth := 10 * done // max(1, total)) > shown:
            shown = tenth
            on_event(Stage(f"turning the {name} files into symbols: {10 * tenth} %"))

    return tell


def _check_length(config: Config, train: Part) -> None:
    """Raise CarouselError for a train part that is shorter than one window, or than what a prediction sees."""
    if config.context is not None and config.context > train.tokens:
        raise CarouselError(
            f"context must be at most the number of symbols of the train part, {train.tokens:,}; "
            f"got {config.context:,}. Give more text, or a shorter context."
        )
    Windows(train.ids, config.batch, config.bptt, name="train part")
