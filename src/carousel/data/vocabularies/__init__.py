"""Vocabularies: what one symbol of a text is, one file per level."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from carousel.data.documents import Document
from carousel.data.vocabularies.base import BOUNDARY, Vocabulary
from carousel.data.vocabularies.bpe import BytePairVocabulary
from carousel.data.vocabularies.char import CharVocabulary
from carousel.data.vocabularies.token import TokenVocabulary
from carousel.data.vocabularies.word import WordVocabulary
from carousel.errors import CarouselError, shown
from carousel.reading import check_version, parse_json, read_file

__all__ = [
    "BOUNDARY",
    "LEVELS",
    "BytePairVocabulary",
    "CharVocabulary",
    "TokenVocabulary",
    "Vocabulary",
    "WordVocabulary",
    "fit_vocabulary",
    "load_vocabulary",
    "vocabulary_from_json",
]

_CLASSES: dict[str, type[Vocabulary]] = {
    one.level: one for one in (CharVocabulary, WordVocabulary, BytePairVocabulary, TokenVocabulary)
}
LEVELS = tuple(_CLASSES)


def fit_vocabulary(level: str, documents: Sequence[Document], size: int | None = None) -> Vocabulary:
    """The vocabulary of `documents` at a `level`. Pass the train part alone, so that held-out text stays unseen.

    - "char": every character; with `size` the most frequent ones.
    - "word": the most frequent words, by default 10,000 symbols. A word that occurs once is unknown.
    - "token": every word of a text that is cut into words by white space, one sentence a line. With `size`, the most
      frequent words, and `<unk>` for all others.
    - "bpe": byte pairs (Sennrich et al. 2016), by default merged up to 1,024 symbols. No text is unknown.

    `size` counts all symbols, the special ones included.

    Raises CarouselError for an unknown level, a size that is too small for the level, and documents without text.

    >>> vocabulary = fit_vocabulary("char", [Document("a", "abba")])
    >>> vocabulary.encode("baba").tolist(), vocabulary.size
    ([3, 2, 3, 2], 4)
    """
    if not any(document.characters for document in documents):
        raise CarouselError(
            "a vocabulary is learned from text; these documents have no character. Give documents with text."
        )
    return _class(level)._fit(_Texts(documents), size)


class _Texts:
    """The chunks of documents, which can be iterated over several times."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def __iter__(self) -> Iterator[str]:
        return (chunk for document in self._documents for chunk in document.chunks())


def vocabulary_from_json(data: dict[str, Any]) -> Vocabulary:
    """The vocabulary that `Vocabulary.to_json` described.

    Raises CarouselError if the data is not of a vocabulary, is incomplete, or comes from a newer Carousel.
    """
    if not isinstance(data, dict) or data.get("format") != Vocabulary.format:
        raise CarouselError(
            f"a vocabulary must be JSON with format {Vocabulary.format!r}; this is something else. Use another file."
        )
    check_version(data.get("version"), Vocabulary.version, "the vocabulary")
    return _class(data.get("level"))._from_json(data)


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read the vocabulary that `Vocabulary.save` wrote to `path`.

    Raises CarouselError, with the file's name, if the file is missing, truncated, foreign, or of a newer Carousel.

    >>> fit_vocabulary("char", [Document("a", "abba")]).save("vocabulary.json")
    >>> load_vocabulary("vocabulary.json").symbols
    ['<eod>', '<unk>', 'a', 'b']
    """
    data = parse_json(read_file(path, "a vocabulary that Carousel saved"), path)
    try:
        return vocabulary_from_json(data)
    except CarouselError as error:
        raise CarouselError(f"{path}: {error}") from None


def _class(level: object) -> type[Vocabulary]:
    if level not in LEVELS:
        raise CarouselError(f"level must be one of {', '.join(LEVELS)}; got {shown(level, 40)}.")
    return _CLASSES[str(level)]
