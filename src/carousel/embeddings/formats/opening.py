"""A file of vectors opened once: regular, and unpacked while it is read where it is compressed."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from carousel import reading
from carousel.embeddings.formats.content import Source, damaged
from carousel.errors import CarouselError, shown

HEAD = 1 << 16  # bytes that show the format
_UNFOLDS = 100  # times its size, which no text of vectors does, once it is longer than
_SMALL = 1 << 26  # bytes
_PACKED: dict[bytes, Callable[..., io.BufferedIOBase]] = {  # first bytes -> reader
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


@contextmanager
def opened(path: Path) -> Iterator[tuple[bytes, Source]]:
    """(the first bytes, the file at its beginning), unpacked if it is .gz, .bz2 or .xz by its first bytes.

    Raises CarouselError for what is missing, cannot be read, or is no regular file.
    """
    if os.path.isdir(path):
        raise CarouselError(
            f"{shown(path)} is a folder; give the path of a file of word vectors. The projection of a trained run is "
            f"taken out by: carousel embed convert {path} projection.vec"
        )
    if not os.path.exists(path):
        raise CarouselError(f"{shown(path)} does not exist. Give the path of a file of word vectors.")
    with reading.opened(path, "a file of word vectors") as raw:
        start = raw.read(HEAD)
        raw.seek(0)
        packed = next((reader for mark, reader in _PACKED.items() if start.startswith(mark)), None)
        if packed is None:
            yield start, Source(path, cast("io.BufferedReader", raw), os.fstat(raw.fileno()).st_size)
        else:
            head = _unpacked(packed, raw, path).read(HEAD)
            raw.seek(0)
            yield head, Source(path, _unpacked(packed, raw, path), None)


def _unpacked(reader: Callable[..., io.BufferedIOBase], raw: BinaryIO, path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(reader(raw, "rb"), raw, path), HEAD)


class _Unpacked(io.RawIOBase):
    """What a compressed file holds; refuses one that is broken or unfolds without end."""

    def __init__(self, inner: io.BufferedIOBase, raw: BinaryIO, path: Path) -> None:
        self._inner, self._raw, self._path, self._done = inner, raw, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read(len(buffer))
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise damaged(self._path, f"cannot be unpacked ({error})") from None
        buffer[: len(data)] = data
        self._done += len(data)
        if self._done > max(_SMALL, _UNFOLDS * self._raw.tell()):
            raise damaged(self._path, f"unfolds to more than {self._done:,} bytes, which is refused")
        return len(data)
