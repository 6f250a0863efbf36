"""What a file of vectors holds, how it is read, and the errors that all formats share."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from carousel.embeddings.normalization import nfc
from carousel.errors import CarouselError, shown


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    words: list[str]
    matrix: np.ndarray  # (n, d) float32
    counts: np.ndarray | None = None  # (n,) if the file has them


@dataclass(frozen=True)
class Source:
    """A file that is opened once, so that all that is read is of one version."""

    path: Path
    file: BufferedReader
    size: int | None  # bytes; None if the file is unpacked while it is read


@dataclass(frozen=True)
class Reading:
    """The options of `Vectors.load`."""

    limit: int | None = None
    mmap: bool = False
    errors: str = "strict"
    duplicates: str = "error"

    def rows(self, count: int) -> int:
        """How many of `count` rows to read."""
        return count if self.limit is None else min(count, self.limit)


class Words:
    """Collects the words of a file, each in NFC and each once; `unit` is what errors number, "line" or "word"."""

    def __init__(self, path: Path, reading: Reading, unit: str = "word") -> None:
        self._path, self._reading, self._unit = path, reading, unit
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, word: bytes | str, number: int) -> bool:
        """Add word `number`; returns False for an equal word before it, if `duplicates` keeps the first.

        Raises CarouselError for a word that is not UTF-8, and otherwise for an equal word before it.
        """
        text = nfc(word if isinstance(word, str) else self._decoded(word, number))
        first = self._numbers.setdefault(text, number)
        if first == number:
            return True
        if self._reading.duplicates == "first":
            return False
        raise CarouselError(
            f"words must be different; {self._path} has {shown(text)} in {self._unit} {first:,} and in {self._unit} "
            f'{number:,}. To keep the first of equal words, pass duplicates="first" (--duplicates first).'
        )

    def add_all(self, words: Iterable[bytes | str]) -> np.ndarray:
        """Add words numbered from 1; returns which of them are kept, (n,) bool."""
        return np.array([self.add(word, number) for number, word in enumerate(words, 1)], bool)

    def listed(self) -> list[str]:
        """All words, in the order of the file."""
        return list(self._numbers)

    def _decoded(self, raw: bytes, number: int) -> str:
        try:
            return raw.decode("utf-8", self._reading.errors)
        except UnicodeDecodeError:
            part = raw[:40].decode("utf-8", "backslashreplace")
            raise CarouselError(
                f"words must be UTF-8; {self._path} has {part!r} in {self._unit} {number:,}. To read such bytes as "
                '\\xNN, pass errors="backslashreplace" (--odd-bytes backslashreplace).'
            ) from None


def content_of(words: Words, kept: np.ndarray, matrix: np.ndarray, counts: np.ndarray | None) -> Content:
    """The rows of a matrix, and their counts, that `Words.add_all` kept."""
    if kept.all():
        return Content(words.listed(), matrix, counts)
    return Content(words.listed(), matrix[kept], None if counts is None else counts[kept])


def damaged(path: Path, what: str) -> CarouselError:
    """The error for a file that breaks the rules of its own format."""
    return CarouselError(f"{path} {what}. It is truncated, damaged or something else. Use another copy.")


def whole_number(value: bytes | str) -> int | None:
    """A count in digits alone; None for anything else (signs, blanks, underscores, 400 digits)."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def words_on_a_line(words: list[str], path: str | Path, separators: str) -> None:
    """Raise CarouselError for a word that a format of lines cannot hold, as it is empty or has separators in it."""
    for word in words:
        if not word or any(letter in word for letter in separators):
            raise CarouselError(
                f"words in {path} must have no blanks or line ends, which end words in this format; got {shown(word)}. "
                "Save as .safetensors or .npz, which hold any word."
            )
