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
    """The vocabulary of these documents (the train part, so that nothing held out leaks) at a level.

    - "char": every character (or, with `size`, the most frequent ones).
    - "word": the most frequent words, 10,000 symbols unless `size` says otherwise; words seen once are
      unknown.
    - "token": every word of a text that is cut into words by white space, one sentence a line; with `size` the
      most frequent, all others being `<unk>`.
    - "bpe": byte pairs merged up to 1,024 symbols unless `size` says otherwise; no text is unknown.

    `size` counts all symbols, the special ones included.

    Raises CarouselError for an unknown level, a size too small for the level, or no text.

        >>> vocabulary = fit_vocabulary("char", [Document("a", "abba")])
        >>> vocabulary.encode("baba").tolist(), vocabulary.size
        ([3, 2, 3, 2], 4)
    """
    if not any(document.characters for document in documents):
        raise CarouselError(
            "a vocabulary is learned from text: got no character; give documents that hold some"
        )
    return _class(level).fit(_Texts(documents), size)


class _Texts:
    """The texts of documents, piece by piece, as often as they are asked for."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def __iter__(self) -> Iterator[str]:
        return (piece for document in self._documents for piece in document.chunks())


def vocabulary_from_json(data: dict[str, Any]) -> Vocabulary:
    """The vocabulary that `Vocabulary.to_json` described.

    Raises CarouselError when the data is not of a vocabulary, is incomplete, or comes from a newer Carousel.
    """
    if not isinstance(data, dict) or data.get("format") != Vocabulary.format:
        raise CarouselError(
            f"a vocabulary must be JSON with format {Vocabulary.format!r}: this is something else"
        )
    check_version(data.get("version"), Vocabulary.version, "the vocabulary")
    return _class(data.get("level")).from_json(data)


def load_vocabulary(path: str | Path) -> Vocabulary:
    """Read a vocabulary that `Vocabulary.save` wrote.

    Raises CarouselError, naming the file, when it is missing, truncated, foreign, or from a newer Carousel.
    """
    data = parse_json(read_file(path, "a vocabulary that Carousel saved"), path)
    try:
        return vocabulary_from_json(data)
    except CarouselError as error:
        raise CarouselError(f"{path}: {error}") from None


def _class(level: object) -> type[Vocabulary]:
    if level not in LEVELS:
        raise CarouselError(f"level must be one of {', '.join(LEVELS)}: got {shown(level, 40)}")
    return _CLASSES[str(level)]
