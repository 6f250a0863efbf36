"""The text of a run in three parts, train, valid and test, as numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np

from carousel.data import Split, Vocabulary, Windows, fit_vocabulary, load_corpus, load_vocabulary
from carousel.data.corpora import describe_skipped
from carousel.data.large import LargeDocument
from carousel.data.opening import STDIN
from carousel.data.vocabularies.base import UNKNOWN, UNKNOWN_SYMBOL, listed
from carousel.data.vocabularies.token import size_without_rare
from carousel.errors import CarouselError
from carousel.progress import Note, Observer, Stage, silent
from carousel.training.language.config import LanguageConfig
from carousel.training.language.evaluation import Part
from carousel.training.language.warm_start import config_of
from carousel.training.run.checkpoint import describe_checkpoint
from carousel.training.run.folder import RunFolder


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
        """Whether the text is too large for memory."""
        documents = (*self.split.train, *self.split.valid, *self.split.test)
        return any(isinstance(document, LargeDocument) for document in documents)

    @property
    def piped(self) -> str:
        """The text that came by standard input; its parts are in the original order."""
        parts = (self.split.train, self.split.valid, self.split.test)
        return "".join(document.text for part in parts for document in part if document.name == STDIN)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all symbols in their order, equal only for the same text and the same vocabulary."""
        digest = blake2b(digest_size=16)
        for part in (self.train, self.valid, self.test):
            digest.update(np.int64(part.tokens).tobytes())
            for start in range(0, len(part.ids), 1 << 24):  # a mapped file is never in memory as a whole
                digest.update(part.ids[start : start + (1 << 24)].astype("<i4", copy=False).tobytes())
        return digest.hexdigest()


def load(config: LanguageConfig, folder: RunFolder | None = None, on_progress: Observer = silent) -> Corpus:
    """Read the text that `config` names or that the run in `folder` stored, and report the parts.

    The vocabulary is that of the run, or that of the run whose weights it begins with; otherwise it is learned from the
    train part.

    Raises CarouselError for bad paths, for files that are no text, and for text that is too short or has one symbol.
    """
    config = config if folder is None else folder.with_stored_text(config)
    skipped: list[Path] = []
    split = load_corpus(**config.sources, valid=config.valid, test=config.test, on_skip=skipped.append)
    if skipped:
        on_progress(Note(describe_skipped(skipped)))
    for part, words in split.described().items():
        on_progress(Note(f"{part}: {words}"))
    symbols = _vocabulary(config, folder, split, on_progress)
    if symbols.size < 2:
        raise CarouselError(
            f"a language model tells at least 2 symbols apart; the train part has {symbols.symbols[0]} alone at the "
            f"level {config.level}. Give another text, or another level."
        )
    named = {"train": split.train, "valid": split.valid, "test": split.test}
    parts = [Part.of(documents, symbols, _told(name, on_progress)) for name, documents in named.items()]
    _check_length(config, parts[0])
    corpus = Corpus(split, symbols, *parts)
    if config.from_ is not None:
        _tell_unknown(corpus, config.from_, on_progress)
    return corpus


def of_run(folder: RunFolder, on_progress: Observer = silent) -> Corpus:
    """The text of a run as it was when the run began.

    Raises CarouselError if the text has changed, because the test part would be a different one.
    """
    corpus = load(config_of(folder.path), folder, on_progress)
    if describe_checkpoint(folder.checkpoint).get("text") != corpus.fingerprint:
        raise CarouselError(
            f"the text that {folder.config} names has changed since the run began, and with it the test part. Put it "
            "back, or name the text to read."
        )
    return corpus


def _vocabulary(
    config: LanguageConfig, folder: RunFolder | None, split: Split, on_progress: Observer
) -> Vocabulary:
    if folder is not None and folder.vocabulary.exists():
        return load_vocabulary(folder.vocabulary)
    if config.from_ is not None:
        return load_vocabulary(RunFolder.open(config.from_).vocabulary)
    return _learned(config, split, on_progress)


def _tell_unknown(corpus: Corpus, run: str, on_progress: Observer) -> None:
    """Symbols that the vocabulary of another run lacks are learned and scored as `<unk>`."""
    parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
    for name, part in parts.items() if corpus.vocabulary.symbols[UNKNOWN] == UNKNOWN_SYMBOL else ():
        if count := int(np.count_nonzero(part.ids == UNKNOWN)):
            documents = getattr(corpus.split, name)
            pieces = (piece for document in documents for piece in document.chunks())
            first = next((found for piece in pieces if (found := corpus.vocabulary.unknown(piece))), None)
            if first is not None:  # None where the text itself writes <unk>
                on_progress(
                    Note(
                        f"{name}: {count:,} of {part.tokens:,} symbols are not in the vocabulary of {run} and count as "
                        f"<unk>, such as {listed(first, most=5)}"
                    )
                )


def _learned(config: LanguageConfig, split: Split, on_progress: Observer) -> Vocabulary:
    """The vocabulary of the train part; text that is no corpus of three files may have no `<unk>`."""
    size = config.vocabulary_size
    if config.level == "token" and size is None and not split.brought:
        size = size_without_rare(piece for document in split.train for piece in document.chunks())
        if size is not None:
            on_progress(
                Note(f"the text writes no <unk>: it stands for all but the {size - 2:,} most frequent words")
            )
    return fit_vocabulary(config.level, split.train, size)


def _told(name: str, on_progress: Observer) -> Callable[[int, int], None]:
    """Report the encoding of a large part, with one Stage for each tenth."""
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        if (tenth := 10 * done // max(1, total)) > shown:
            shown = tenth
            on_progress(Stage(f"turning the {name} files into symbols: {10 * tenth} %"))

    return tell


def _check_length(config: LanguageConfig, train: Part) -> None:
    """Raise CarouselError for a train part that is shorter than one window, or than the context of a prediction."""
    if config.context is not None and config.context > train.tokens:
        raise CarouselError(
            f"context must be at most the number of symbols of the train part, {train.tokens:,}; "
            f"got {config.context:,}. Give more text, or a shorter context."
        )
    Windows(train.ids, config.batch, config.bptt, name="train part")
