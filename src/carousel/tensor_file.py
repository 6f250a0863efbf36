"""A reader of the safetensors format for untrusted files. Header, bytes and mappings come from one opening of the file.

If a file is replaced while it is read, the reader returns the old content or the new content, never the names of one
with the numbers of the other. Sizes in the header are compared with the length of the file before memory is allocated.
Every reader of the format uses this one. (The format: https://github.com/huggingface/safetensors.)
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carousel.errors import CarouselError, shown
from carousel.plain import typed
from carousel.reading import opened, parse_json

MOST_HEADER = 100_000_000  # bytes: the format's own limit
MOST_DIMENSIONS = 64  # NumPy's limit
SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tensor as the header describes it; offsets are counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True)
class TensorFile:
    """An open safetensors file whose header was found to fit its length."""

    path: Path
    metadata: dict[str, str]
    entries: dict[str, Entry]
    _file: BinaryIO
    _start: int  # of the data

    def read_into(self, name: str, buffer: np.ndarray) -> None:
        """Fill a buffer of the tensor's size with its bytes; raises CarouselError if the file was cut meanwhile."""
        self._file.seek(self._start + self.entries[name].data_offsets[0])
        if self._file.readinto(buffer) != buffer.nbytes:  # type: ignore[attr-defined]
            raise damaged(self.path, "it was cut while it was read")

    def map(self, name: str, dtype: np.dtype) -> np.ndarray:
        """The tensor as a memory-mapped array, which stays readable after the file is closed or replaced."""
        entry = self.entries[name]
        if 0 in entry.shape:
            return np.empty(entry.shape, dtype)
        return np.memmap(self._file, dtype, "r", self._start + entry.data_offsets[0], entry.shape)


@contextmanager
def open_tensors(path: str | Path, what: str) -> Iterator[TensorFile]:
    """Open a safetensors file; errors name the expected content, `what`.

    Raises CarouselError for a file that is missing, no regular file, truncated, damaged or something else.
    """
    with opened(path, what) as file:
        yield tensors_of(file, Path(path))


def tensors_of(file: BinaryIO, path: Path) -> TensorFile:
    """The tensors of a file that is open at its beginning; raises CarouselError as `open_tensors` does."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(size - 8, MOST_HEADER):
        raise damaged(path, f"its header has {length:,} of {size:,} bytes")
    header = parse_json(file.read(length), f"the header of {path}")
    if not isinstance(header, dict):
        raise damaged(path, "its header lists no tensors")
    metadata = typed(dict[str, str], header.pop("__metadata__", {}), f"the metadata of {path}")
    entries = typed(dict[str, Entry], header, f"the header of {path}")
    _check(path, entries, size - 8 - length)
    return TensorFile(path, metadata, entries, file, 8 + length)


def damaged(path: Path, what: str) -> CarouselError:
    """The error for a file that breaks the rules of the format."""
    return CarouselError(
        f"{path} is not a whole safetensors file: {what}. It is truncated, damaged or something else; use another copy."
    )


def _check(path: Path, entries: dict[str, Entry], size: int) -> None:
    """The tensors fill the data from the first byte to the last, each as long as its shape and type say."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        if entry.dtype not in SIZES:
            raise damaged(path, f"the tensor {name:.80} has the unknown type {shown(entry.dtype, 40)}")
        start, stop = entry.data_offsets
        sizes = [abs(size) or 1 for size in entry.shape]  # torch multiplies those beside a 0 too
        if len(sizes) > MOST_DIMENSIONS or math.prod(sizes) >= 2**63 // SIZES[entry.dtype]:
            raise damaged(
                path, f"the tensor {name:.80} has the shape {shown(entry.shape)}, which no tensor can have"
            )
        long = SIZES[entry.dtype] * math.prod(entry.shape)
        if min(entry.shape, default=0) < 0 or start != end or stop - start != long:
            raise damaged(path, f"the tensor {name:.80} of shape {shown(entry.shape)} does not fit its place")
        end = stop
    if end != size:
        raise damaged(path, f"its tensors take {end:,} bytes, but it has {size:,}")
