"""Corpora: documents read from files, and their split into train, valid and test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from carousel.data.documents import Document, read_document
from carousel.data.files import Found, Paths, find_files, search, standard_library
from carousel.data.large import LargeDocument
from carousel.data.opening import is_streamed
from carousel.data.parts import BY_NAME, BY_OPTION, PARTS, SHARE, find_parts, parts_by_name
from carousel.errors import CarouselError

__all__ = [
    "Document",
    "Split",
    "describe_skipped",
    "find_files",
    "load_corpus",
    "read",
    "split",
    "standard_library",
]


LARGE = 1 << 28  # bytes in all, from which on the large files of a corpus stay on the disk
_NAMED = 8  # of the files left out; the others are counted
_LISTED = 3  # of the files of a part

Skip = Callable[[Path], None]


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus: to learn from, to choose by, and to report.

    how: how each part was chosen, in words.
    copies: of a part, what to tell of its documents whose whole text is in another part as well.
    """

    train: list[Document]
    valid: list[Document]
    test: list[Document]
    how: dict[str, str] = field(default_factory=dict, compare=False)
    copies: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def brought(self) -> bool:
        """Whether the corpus came with a split of its own, and nothing was cut."""
        return bool(self.how) and set(self.how.values()) <= {BY_NAME, BY_OPTION}

    def described(self) -> dict[str, str]:
        """Where each part comes from: its size, its files, how it was chosen.

        >>> split([Document("book.txt", "a line of text\\n" * 100)]).described()["test"]
        '75 characters, 1 file (book.txt), the last 5 % of each'
        """
        return {part: self._described(part) for part in PARTS}

    def _described(self, part: str) -> str:
        documents: list[Document] = getattr(self, part)
        names = [document.name for document in documents]
        more = f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        files = "1 file" if len(names) == 1 else f"{len(names):,} files"
        listed = ", ".join(names[:_LISTED]) + more
        how = self.how.get(part, "") + self.copies.get(part, "")
        return f"{_size(documents):,} characters, {files} ({listed}), {how}"


def load_corpus(
    paths: Paths = (),
    valid: float | None = None,
    test: float | None = None,
    on_skip: Skip | None = None,
    *,
    train_file: str | Path | None = None,
    valid_file: str | Path | None = None,
    test_file: str | Path | None = None,
) -> Split:
    """The three parts of the text in files; without paths, of the source of Python's standard library.

    The files are those of `find_parts`; a part that has none is cut off the text to learn from, as `split` does it.

    Raises CarouselError as `find_parts`, and for a part without text and a share for a part that has its own files.

    >>> corpus = load_corpus()
    >>> len(corpus.train) > len(corpus.test) > 0
    True
    """
    files, how = find_parts(paths, train_file=train_file, valid_file=valid_file, test_file=test_file)
    large = sum(found.size for part in files.values() for found in part) > LARGE
    documents = {part: _read(found, large, on_skip) for part, found in files.items()}
    return _arranged(documents, how, {"valid": valid, "test": test})


def _arranged(
    documents: Mapping[str, Sequence[Document]], how: str, shares: dict[str, float | None]
) -> Split:
    """The parts that have documents of their own, and the others cut off the train part."""
    for part in PARTS[1:]:
        if part in documents and shares[part] is not None:
            raise CarouselError(
                f"{part} is the share to cut off for the {part} part, which has files of its own; got "
                f"{shares[part]}. Leave the share out, or the files."
            )
    cut = {
        part: 0.0 if part in documents else SHARE if (share := shares[part]) is None else share
        for part in PARTS[1:]
    }
    if not any(cut.values()):
        train, valid, test = (list(documents[part]) for part in PARTS)
        return Split(train, valid, test, dict.fromkeys(PARTS, how), _copies(documents))
    _check_shares(cut, documents)
    pool = documents["train"]
    parts, words = _by_document(pool, **cut), "whole files by a hash of their names"
    if parts is None:
        parts, words = _by_line(pool, **cut), ""
    ends = _ends(cut) if not words else dict.fromkeys(cut, words)
    held = {part: list(documents[part]) if part in documents else parts[part] for part in PARTS[1:]}
    told = {part: how if part in documents else ends[part] for part in PARTS[1:]}
    rest = "what is left" if len(documents) == 1 and not how else f"{how}, what is left"
    copies = _copies({"train": parts["train"], **held} if words else documents)
    return Split(parts["train"], held["valid"], held["test"], {"train": rest, **told}, copies)


def _copies(documents: Mapping[str, Sequence[Document]]) -> dict[str, str]:
    """Of each held-out part, in words, its documents whose whole text is in a part before it."""
    told: dict[str, str] = {}
    for before, part in (("train", "valid"), ("train", "test"), ("valid", "test")):
        known, held = documents.get(before, ()), documents.get(part, ())
        sizes = {each.characters for each in known} & {each.characters for each in held}
        texts = {_text_hash(each) for each in known if each.characters in sizes}
        names = [each.name for each in held if each.characters in sizes and _text_hash(each) in texts]
        if names:
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            told[part] = told.get(part, "") + f"; the text of {names[0]}{more} is in the {before} part too"
    return told


def _check_shares(cut: dict[str, float], documents: Mapping[str, Sequence[Document]]) -> None:
    asked = [share for part, share in cut.items() if part not in documents]
    if not (all(share > 0 for share in asked) and sum(asked) < 1):
        raise CarouselError(
            f"valid and test must be shares above 0 that leave train some: got {' and '.join(map(str, asked))}"
        )
    if not documents["train"]:
        raise CarouselError("a corpus must hold at least one document to be split: got none")


def _ends(cut: dict[str, float]) -> dict[str, str]:
    """In words, which end of each file is which part."""
    before = f" before the last {100 * cut['test']:g} %" if cut["test"] else ""
    return {
        "valid": f"the last {100 * cut['valid']:g} %{before} of each",
        "test": f"the last {100 * cut['test']:g} % of each",
    }


def read(paths: Paths, on_skip: Skip | None = None) -> list[Document]:
    """Read the files that `paths` stand for (see `find_files`) as UTF-8, in the order of their names.

    A document is named by its path below the deepest folder that holds all of `paths`. Files that end in .gz, .bz2
    or .xz are unpacked; the path - is standard input. A file found by a search (folder or glob) that is empty or no
    text is skipped and passed to `on_skip`, so that a caller can count; a file named itself must be text.

    Raises CarouselError, naming file and byte offset, for a missing path, an empty, binary or not UTF-8 file.
    """
    files = search(paths)
    return _read(files, sum(found.size for found in files) > LARGE, on_skip)


def _read(files: Sequence[Found], large: bool, on_skip: Skip | None) -> list[Document]:
    documents, skipped = [], 0
    read_one = _open_large if large else read_document
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
    """A file of a corpus that does not fit into memory; small and packed ones are read all the same."""
    large = not is_streamed(path) and path.stat().st_size > LARGE // 64
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


def split(documents: Sequence[Document], valid: float | None = None, test: float | None = None) -> Split:
    """Split documents into train, valid and test; the shares of the characters are 0.05 unless they are given.

    - Documents whose names say train, valid and test are the split themselves (see `parts_by_name`), and of two of
      these, the third is cut off train.
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
    parts = parts_by_name([document.name for document in documents])
    if parts is None:
        return _arranged({"train": documents}, "", {"valid": valid, "test": test})
    of_part = {part: [each for each in documents if each.name in names] for part, names in parts.items()}
    return _arranged(of_part, BY_NAME, {"valid": valid, "test": test})


def _by_document(
    documents: Sequence[Document], valid: float, test: float
) -> dict[str, list[Document]] | None:
    """Whole documents, or None where there are too few of them to come near the shares."""
    total = _size(documents)
    left = sorted(documents, key=lambda document: (_hash(document.name), document.name, document.characters))
    taken_test, left = _take(left, test * total)
    taken_valid, left = _take(left, valid * total)
    for taken, share in ((taken_valid, valid), (taken_test, test)):
        if abs(_size(taken) - share * total) > share * total / 2:
            return None
    by_name = [sorted(part, key=lambda document: document.name) for part in (left, taken_valid, taken_test)]
    return dict(zip(PARTS, by_name, strict=True)) if left else None


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


def _by_line(documents: Sequence[Document], valid: float, test: float) -> dict[str, list[Document]]:
    parts: dict[str, list[Document]] = {part: [] for part in PARTS}
    for document in documents:
        for part, piece in zip(PARTS, _pieces(document, valid, test), strict=True):
            if piece.characters:
                parts[part].append(piece)
    if not all(parts[part] for part, share in (("train", 1), ("valid", valid), ("test", test)) if share):
        raise CarouselError(
            f"a corpus must be long enough for a train, a valid and a test part: "
            f"got {_size(documents)} characters in all; give more text"
        )
    return parts


def _pieces(document: Document, valid: float, test: float) -> list[Document]:
    if isinstance(document, LargeDocument):
        return document.cut((1 - valid - test, 1 - test))
    return [Document(document.name, text) for text in _cut(document.text, valid, test)]


def _cut(text: str, valid: float, test: float) -> tuple[str, str, str]:
    """Cut near the shares, after the next line end where one is near, else between two characters."""
    tolerance = int(min(share for share in (valid, test) if share) * len(text) / 2)
    ends = []
    for share in (1 - valid - test, 1 - test):
        at = round(share * len(text))
        line_end = text.find("\n", at - 1, at + tolerance)
        ends.append(line_end + 1 if line_end >= 0 else at)
    return text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]


def _size(documents: Sequence[Document]) -> int:
    return sum(document.characters for document in documents)


def _text_hash(document: Document) -> bytes:
    """Of the whole text; pieces are cut in one way where they stay on the disk and in another where they do not."""
    digest = blake2b(digest_size=16)
    for piece in document.chunks():
        digest.update(piece.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _hash(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
