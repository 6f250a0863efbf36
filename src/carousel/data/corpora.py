"""Corpora: documents read from files, and their split into train, valid and test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from carousel.data.documents import Document, read_document
from carousel.data.files import SPLIT_FILES, Paths, find_files, search, standard_library
from carousel.data.large import LargeDocument
from carousel.errors import CarouselError

__all__ = [
    "Document",
    "Split",
    "describe_skipped",
    "find_files",
    "in_three_files",
    "load_corpus",
    "read",
    "split",
    "standard_library",
]


LARGE = 1 << 28  # bytes in all, from which on the large files of a corpus stay on the disk
_NAMED = 8  # of the files left out; the others are counted


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus: to learn from, to choose by, and to report."""

    train: list[Document]
    valid: list[Document]
    test: list[Document]


def load_corpus(
    paths: Paths = (), valid: float = 0.05, test: float = 0.05, on_skip: Callable[[Path], None] | None = None
) -> Split:
    """`read` and `split` in one call; without paths, the source of Python's standard library.

    >>> corpus = load_corpus()
    >>> len(corpus.train) > len(corpus.test) > 0
    True
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    return split(read(given or standard_library(), on_skip), valid, test)


def read(paths: Paths, on_skip: Callable[[Path], None] | None = None) -> list[Document]:
    """Read the files that `paths` stand for (see `find_files`) as UTF-8, in the order of their names.

    A document is named by its path below the deepest folder that holds all of `paths`. A file found by a
    search (folder or glob) that is empty or no text is skipped and passed to `on_skip`, so that a caller can
    count; a file named itself must be text.

    Raises CarouselError, naming file and byte offset, for a missing path, an empty, binary or not UTF-8 file.
    """
    documents, skipped = [], 0
    files = search(paths)
    read_one = _open_large if sum(found.path.stat().st_size for found in files) > LARGE else read_document
    for found in files:
        try:
            documents.append(read_one(found.path, found.name))
        except CarouselError:
            if found.explicit:
                raise
            skipped += 1
            if on_skip is not None:
                on_skip(found.path)
    if not documents:
        raise CarouselError(
            f"a corpus must hold text: all {skipped} files found are empty, unreadable or not UTF-8 text; "
            f"name one of them itself to see why"
        )
    return documents


def _open_large(path: Path, name: str) -> Document:
    """A file of a corpus that does not fit into memory; small ones are read all the same."""
    large = path.stat().st_size > LARGE // 64
    return LargeDocument.open(path, name) if large else read_document(path, name)


def describe_skipped(paths: Sequence[Path]) -> str:
    """What to tell about the files that `read` passed to `on_skip`.

    >>> describe_skipped([Path("notes/photo.jpg")])
    'left out 1 file that is not text: photo.jpg'
    """
    names = [
        path.name + (" (empty)" if path.is_file() and path.stat().st_size == 0 else "") for path in paths
    ]
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    count = "1 file that is" if len(names) == 1 else f"{len(names):,} files that are"
    return f"left out {count} not text: {', '.join(names[:_NAMED])}{more}"


def split(documents: Sequence[Document], valid: float = 0.05, test: float = 0.05) -> Split:
    """Split documents into train, valid and test with the given shares of the characters.

    - Three documents named train.txt, valid.txt and test.txt are the split themselves.
    - Otherwise whole documents go to one part. They are taken in the order of a hash of their names, so that
      the split depends neither on the machine nor on the order of the files.
    - Too few documents for that (one book, say; a part would be empty, or off its share by more than half):
      the end of each document is cut off at line ends, the first 90 % for train, then 5 % for valid and 5 %
      for test.

    Raises CarouselError for shares that leave a part nothing, no documents, or too little text.

        >>> book = Document("book.txt", "a line of text\\n" * 100)
        >>> [len(part[0].text) for part in (split([book]).train, split([book]).valid, split([book]).test)]
        [1350, 75, 75]
    """
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise CarouselError(
            f"valid and test must be shares above 0 that leave train some: got {valid} and {test}"
        )
    if not documents:
        raise CarouselError("a corpus must hold at least one document to be split: got none")
    parts = {document.name: document for document in documents}
    if len(documents) == len(SPLIT_FILES) and set(parts) == set(SPLIT_FILES):
        return Split(*([parts[name]] for name in SPLIT_FILES))
    return _by_document(documents, valid, test) or _by_line(documents, valid, test)


def in_three_files(parts: Split) -> bool:
    """Whether the split is that of a corpus folder: train.txt, valid.txt and test.txt."""
    return [one.name for part in (parts.train, parts.valid, parts.test) for one in part] == list(SPLIT_FILES)


def _by_document(documents: Sequence[Document], valid: float, test: float) -> Split | None:
    """Whole documents, or None where there are too few of them to come near the shares."""
    total = _size(documents)
    left = sorted(documents, key=lambda document: (_hash(document.name), document.name, document.characters))
    taken_test, left = _take(left, test * total)
    taken_valid, left = _take(left, valid * total)
    for taken, share in ((taken_valid, valid), (taken_test, test)):
        if abs(_size(taken) - share * total) > share * total / 2:
            return None
    by_name = [sorted(part, key=lambda document: document.name) for part in (left, taken_valid, taken_test)]
    return Split(*by_name) if left else None


def _take(documents: Sequence[Document], target: float) -> tuple[list[Document], list[Document]]:
    """(taken, left): each document, in order, that brings the size of the part nearer to its target."""
    taken: list[Document] = []
    left: list[Document] = []
    missing = target
    for document in documents:
        if abs(missing - document.characters) < abs(missing):
            taken.append(document)
            missing -= document.characters
        else:
            left.append(document)
    return taken, left


def _by_line(documents: Sequence[Document], valid: float, test: float) -> Split:
    parts: tuple[list[Document], ...] = ([], [], [])
    for document in documents:
        for part, piece in zip(parts, _pieces(document, valid, test), strict=True):
            if piece.characters:
                part.append(piece)
    if not all(parts):
        raise CarouselError(
            f"a corpus must be long enough for a train, a valid and a test part: "
            f"got {_size(documents)} characters in all; give more text"
        )
    return Split(*parts)


def _pieces(document: Document, valid: float, test: float) -> list[Document]:
    if isinstance(document, LargeDocument):
        return document.cut((1 - valid - test, 1 - test))
    return [Document(document.name, text) for text in _cut(document.text, valid, test)]


def _cut(text: str, valid: float, test: float) -> tuple[str, str, str]:
    """Cut near the shares, after the next line end where one is near, else between two characters."""
    tolerance = int(min(valid, test) * len(text) / 2)
    ends = []
    for share in (1 - valid - test, 1 - test):
        at = round(share * len(text))
        line_end = text.find("\n", at - 1, at + tolerance)
        ends.append(line_end + 1 if line_end >= 0 else at)
    return text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]


def _size(documents: Sequence[Document]) -> int:
    return sum(document.characters for document in documents)


def _hash(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
