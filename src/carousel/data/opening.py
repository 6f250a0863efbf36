"""The bytes of a text: of a plain file, of one compressed by gzip, bzip2 or xz, or from standard input."""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeVar

from carousel.errors import CarouselError

STDIN = "-"  # the path that stands for standard input
P = TypeVar("P", bound=PurePath)
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_streamed(path: Path) -> bool:
    """Whether bytes can only be read in order and their number is not known: compressed, or standard input."""
    return str(path) == STDIN or path.suffix.lower() in _OPENERS


def unpacked(path: P) -> P:
    """The path without the ending of its compression."""
    return path.with_suffix("") if path.suffix.lower() in _OPENERS else path


@contextmanager
def decompressed(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(the unpacked bytes, the file they come from, whose `tell` is the progress); `-` is standard input.

    Raises CarouselError, also for errors inside the block, if the file cannot be read or is not validly compressed.
    """
    try:
        if str(path) == STDIN:
            if sys.stdin.isatty():
                raise CarouselError(
                    "- reads a text from standard input; this is a terminal. Pipe a text: ... < FILE"
                )
            yield sys.stdin.buffer, sys.stdin.buffer
            return
        with path.open("rb") as raw:
            opener = _OPENERS.get(path.suffix.lower())
            if opener is None:
                yield raw, raw
            else:
                with opener(raw, "rb") as file:
                    yield file, raw
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CarouselError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
