"""Bytes of a text: of a plain file, of one that gzip, bzip2 or xz packed, or from standard input."""

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
    """Whether the bytes come only in their order, and their number is not known before: packed, or standard input."""
    return str(path) == STDIN or path.suffix.lower() in _OPENERS


def unpacked(path: P) -> P:
    """The path without the ending that says how the file is packed."""
    return path.with_suffix("") if path.suffix.lower() in _OPENERS else path


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(the unpacked bytes, the file they come from, whose `tell` is the progress); `-` is standard input.

    Raises CarouselError, for what fails inside as well, if the file cannot be read or is packed in no valid way.
    """
    try:
        if str(path) == STDIN:
            if sys.stdin.isatty():
                raise CarouselError(
                    "- is standard input, which is a terminal; pipe a text into it: ... < FILE"
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
