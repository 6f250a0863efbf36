"""What a file of vectors holds, and the errors that all formats share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.errors import CarouselError


@dataclass(frozen=True)
class Content:
    """words (n), matrix (n, d) float32 and, where the file has them, counts (n,)."""

    words: list[str]
    matrix: np.ndarray
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Reading:
    """How to read: only the first `limit` words, mapped or not, odd bytes as `errors` says in bytes.decode."""

    limit: int | None = None
    mmap: bool = False
    errors: str = "strict"

    def rows(self, count: int) -> int:
        """How many of `count` rows are asked for."""
        return count if self.limit is None else min(count, self.limit)

    def word(self, raw: bytes, path: Path, place: str) -> str:
        """The text of a word; raises CarouselError when it is not UTF-8."""
        try:
            return raw.decode("utf-8", self.errors)
        except UnicodeDecodeError:
            shown = raw[:40].decode("utf-8", "backslashreplace")
            raise CarouselError(
                f"words must be UTF-8: {path} has {shown!r} at {place}; "
                'take such bytes as \\xNN with errors="backslashreplace".'
            ) from None


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
                f"a word in {path} cannot be {word!r}: this format ends words with blanks and line ends. "
                "Save as .safetensors or .npz, which hold any word."
            )
