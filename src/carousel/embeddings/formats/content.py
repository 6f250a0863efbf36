"""What a file of vectors holds, and the errors that all formats share."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from carousel.embeddings.normalization import nfc
from carousel.errors import CarouselError, shown


@dataclass(frozen=True)
class Content:
    """words (n), matrix (n, d) float32 and, where the file has them, counts (n,)."""

    words: list[str]
    matrix: np.ndarray
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Source:
    """A file that is opened once, so that all that is read is of one version.

    size: its bytes, or None where it is unpacked while it is read.
    """

    path: Path
    file: BufferedReader
    size: int | None


@dataclass(frozen=True)
class Reading:
    """How to read.

    limit: only the first so many words. mmap: leave the matrix on the disk. errors: odd bytes as in bytes.decode.
    duplicates: "error" for a word that comes again, or "first" to leave it out.
    """

    limit: int | None = None
    mmap: bool = False
    errors: str = "strict"
    duplicates: str = "error"

    def rows(self, count: int) -> int:
        """How many of `count` rows are asked for."""
        return count if self.limit is None else min(count, self.limit)


class Words:
    """The words of a file as they come, each in NFC and each once.

    unit: what `number` counts in messages, "line" or "word".
    """

    def __init__(self, path: Path, reading: Reading, unit: str = "word") -> None:
        self._path, self._reading, self._unit = path, reading, unit
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, word: bytes | str, number: int) -> bool:
        """Add word `number`. False: it came before, and `duplicates` says to keep the first.

        Raises CarouselError for a word that is not UTF-8, and for one that came before.
        """
        text = nfc(word if isinstance(word, str) else self._decoded(word, number))
        first = self._numbers.setdefault(text, number)
        if first == number:
            return True
        if self._reading.duplicates == "first":
            return False
        raise CarouselError(
            f"words must be different: {shown(text)} in {self._unit} {number:,} of {self._path} comes first in "
            f'{self._unit} {first:,}. To keep the first of equal words, pass duplicates="first" (--duplicates first).'
        )

    def add_all(self, words: Iterable[bytes | str]) -> np.ndarray:
        """Add words that are numbered from 1; returns which of them are kept, (n,) bool."""
        return np.array([self.add(word, number) for number, word in enumerate(words, 1)], bool)

    def listed(self) -> list[str]:
        """All words, in the order of their coming."""
        return list(self._numbers)

    def _decoded(self, raw: bytes, number: int) -> str:
        try:
            return raw.decode("utf-8", self._reading.errors)
        except UnicodeDecodeError:
            part = raw[:40].decode("utf-8", "backslashreplace")
            raise CarouselError(
                f"words must be UTF-8: {self._path} has {part!r} in {self._unit} {number:,}; "
                'take such bytes as \\xNN with errors="backslashreplace" (--odd-bytes backslashreplace).'
            ) from None


def content_of(words: Words, kept: np.ndarray, matrix: np.ndarray, counts: np.ndarray | None) -> Content:
    """The rows of a matrix, and their counts, that `Words.add_all` kept."""
    if kept.all():
        return Content(words.listed(), matrix, counts)
    return Content(words.listed(), matrix[kept], None if counts is None else counts[kept])


def damaged(path: Path, what: str) -> CarouselError:
    """The error for a file that breaks the rules of its own format."""
    return CarouselError(f"{path} {what}. It is truncated, damaged or something else; use another copy.")


def whole_number(value: bytes | str) -> int | None:
    """A plain count as a header writes it; None for anything else (signs, blanks, underscores, 400 digits)."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def words_on_a_line(words: list[str], path: str | Path, separators: str) -> None:
    """Raise CarouselError for a word that a format of lines cannot hold: empty, or with its separators."""
    for word in words:
        if not word or any(letter in word for letter in separators):
            raise CarouselError(
                f"a word in {path} cannot be {shown(word)}: this format ends words with blanks and line ends. "
                "Save as .safetensors or .npz, which hold any word."
            )
