"""From files to batches: corpora, vocabularies, windows, and the yardstick of a compressor.

The order in which text walks through this room:

    split = load_corpus(paths)                                  # files -> documents -> train, valid, test
    vocabulary = fit_vocabulary("char", split.train)            # what a symbol is
    ids = stream(split.train, vocabulary)                       # one long array of symbols
    for inputs, targets in Windows(ids, batch=32, length=100):  # (T, B), (T, B)
        ...

The names are imported when they are first used: `data.files` is read where no torch is loaded.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.data.batches import IGNORED, Windows, stream, streams
    from carousel.data.compression import xz_bits_per_character
    from carousel.data.corpora import Split, describe_skipped, load_corpus, read, split
    from carousel.data.documents import Document, count_characters
    from carousel.data.files import find_files, standard_library
    from carousel.data.large import LargeDocument
    from carousel.data.parts import parts_by_name
    from carousel.data.sources import find_parts
    from carousel.data.vocabularies import (
        BOUNDARY,
        LEVELS,
        Vocabulary,
        fit_vocabulary,
        load_vocabulary,
        vocabulary_from_json,
    )
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "BOUNDARY",
    "IGNORED",
    "LEVELS",
    "Document",
    "LargeDocument",
    "Split",
    "Vocabulary",
    "Windows",
    "count_characters",
    "describe_skipped",
    "find_files",
    "find_parts",
    "fit_vocabulary",
    "load_corpus",
    "load_vocabulary",
    "parts_by_name",
    "read",
    "split",
    "standard_library",
    "stream",
    "streams",
    "vocabulary_from_json",
    "xz_bits_per_character",
]
