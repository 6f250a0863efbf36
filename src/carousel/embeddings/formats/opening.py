"""A file of vectors, opened once and unpacked while it is read; its first bytes show the format."""

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
from carousel.embeddings.formats import text
from carousel.embeddings.formats.content import Source, damaged, whole_number
from carousel.errors import CarouselError, shown

HEAD = 1 << 16  # bytes that show the format
_EXPANDS = 100  # no text of vectors is so many times as large as its compressed file; not checked below
_SMALL = 1 << 26  # bytes
_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")
_UTF16 = "is text in UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"
_REFUSED = {  # first bytes -> what the file is, and what to do
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    _FASTTEXT_MODEL: "is a model of fastText; load its vectors from the file that ends in .vec",
    b"\x80": "looks like a pickle, which can execute any program; save it again with save_word2vec_format of gensim",
}
_PACKED: dict[bytes, Callable[..., io.BufferedIOBase]] = {  # first bytes -> reader
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


@contextmanager
def vector_file(path: Path) -> Iterator[tuple[bytes, Source]]:
    """(the first bytes, the file at its beginning), unpacked if its first bytes are those of .gz, .bz2 or .xz.

    Raises CarouselError for a file that is missing, cannot be read, or is no regular file.
    """
    if os.path.isdir(path):
        raise CarouselError(
            f"{shown(path)} is a folder. Give the path of a file of word vectors. To get the projection of a trained "
            f"run: carousel embed convert {path} projection.vec"
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
    """The content of a compressed file; raises CarouselError for a broken one, and for one that expands too far."""

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
        if self._done > max(_SMALL, _EXPANDS * self._raw.tell()):
            raise damaged(self._path, f"expands to more than {self._done:,} bytes, which is refused")
        return len(data)


def detect(head: bytes, path: Path) -> str:
    """The name of the format, by the first bytes; raises CarouselError for a file of another kind."""
    if not head:
        raise damaged(path, "is empty")
    if head.startswith(b"PK\x03\x04"):
        return "npz"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:
        return "safetensors"
    for start, reason in _REFUSED.items():
        if head.startswith(start):
            raise CarouselError(f"{path} {reason}.")
    first, _, rest = head.removeprefix(text.MARK).partition(b"\n")
    header = first.split()
    if len(header) == 2 and all(each.lstrip(b"+-").isdigit() for each in header):
        return "text" if _begins_as_text(rest, whole_number(header[1]) or 0) else "binary"
    if text.trailing_numbers(first) or len(first) == HEAD:
        return "glove"
    raise damaged(path, "is in none of the formats of word vectors")


def _begins_as_text(rest: bytes, dimension: int) -> bool:
    """Whether a word and numbers in digits follow the header; of a line longer than HEAD, its beginning counts."""
    line, end, _ = rest.lstrip(b"\n").partition(b"\n")
    if end:
        numbers = text.trailing_numbers(line)
        return numbers >= dimension or 0 < numbers == len(text.fields_of(line)) - 1
    fields = text.fields_of(line)[1:-1]
    return bool(fields) and all(map(text.is_number, fields))
