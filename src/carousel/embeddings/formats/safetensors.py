"""safetensors: the matrix, the words and the counts in one file that can be mapped into memory.

Tensors: `matrix` (n, d) float32; `words`, the UTF-8 bytes of all words one after another; `ends` (n,) int64, where each
of them ends; `counts` (n,) int64 if known. The description says what the file is, and holds a checksum.
"""

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, Source, Words, content_of, damaged
from carousel.errors import CarouselError, shown

KIND = "word vectors"
VERSION = 1
KEY = "carousel"
MORE = "more"  # in the description: of tensors that are no part of the vectors
_TYPES = {"matrix": "F32", "words": "U8", "ends": "I64", "counts": "I64"}
_DTYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "U8": np.dtype("u1"), "I64": np.dtype("<i8")}
_LONGEST_HEADER = 100_000_000  # bytes, as in the library safetensors


class Entry(NamedTuple):
    """A tensor of the header; its bytes begin so many after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int


def save(
    path: str | Path,
    content: Content,
    more: Mapping[str, np.ndarray] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the file in pieces: nothing is held twice.

    `more` float32 matrices and plain values `about` them may ride along: see `load_more`.
    """
    encoded = [word.encode() for word in content.words]
    tensors = {
        "matrix": content.matrix,
        "ends": np.cumsum([len(word) for word in encoded], dtype=np.int64),
        "words": np.frombuffer(b"".join(encoded), np.uint8),
    }
    if content.counts is not None:
        tensors["counts"] = content.counts
    # numbers of 8 bytes before those of 4 and 1, so that each lies where its type wants to lie
    types = {**_TYPES, **dict.fromkeys(more or {}, "F32")}
    tensors |= more or {}
    order = sorted(tensors, key=lambda name: (-_DTYPES[types[name]].itemsize, name))
    arrays = {name: np.ascontiguousarray(tensors[name], _DTYPES[types[name]]) for name in order}
    own = {name: array for name, array in arrays.items() if name in _TYPES}
    description: dict[str, Any] = {"kind": KIND, "version": VERSION, "checksum": _checksum(own)}
    if more is not None:
        description[MORE] = {"checksum": _checksum(arrays), "about": dict(about or {})}
    header: dict[str, Any] = {"__metadata__": {KEY: json.dumps(description, sort_keys=True)}}
    start = 0
    for name, array in arrays.items():
        end = start + array.nbytes
        header[name] = {"dtype": types[name], "shape": list(array.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.reshape(-1).view(np.uint8).data)


def load(source: Source, reading: Reading) -> Content:
    """Read or map it. What is mapped, or read in part, is not held against the checksum."""
    about, entries, start = _open(source)
    part = reading.mmap or reading.limit is not None
    arrays = {
        name: (_map if part and name == "matrix" else _read)(source, start, entries[name])
        for name in _TYPES
        if name in entries
    }
    _check_fit(arrays, source.path)
    if not part and _checksum(arrays) != about.get("checksum"):
        raise damaged(source.path, "has a checksum that does not fit")
    return _content(arrays, source.path, reading)


def load_more(source: Source) -> tuple[Content, dict[str, np.ndarray], dict[str, Any]] | None:
    """(the vectors, the tensors that ride along, what was said about them); None where nothing rides along."""
    about, entries, start = _open(source)
    if MORE not in about:
        return None
    riding = about[MORE]
    if not isinstance(riding, dict) or not isinstance(riding.get("about"), dict):
        raise damaged(source.path, "has a description that cannot be read")
    arrays = {name: _read(source, start, entry) for name, entry in entries.items()}
    _check_fit(arrays, source.path)
    if _checksum(arrays) != riding.get("checksum"):
        raise damaged(source.path, "has a checksum that does not fit")
    more = {name: array for name, array in arrays.items() if name not in _TYPES}
    return _content(arrays, source.path, Reading()), more, riding["about"]


def _check_fit(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raise CarouselError unless the tensors fit each other."""
    matrix, ends = arrays["matrix"], arrays["ends"]
    count = matrix.shape[0] if matrix.ndim == 2 else 0
    # compared, not subtracted: differences of numbers near 2^63 come out small
    ordered = count and ends.shape == (count,) and ends[0] >= 0 and (ends[1:] >= ends[:-1]).all()
    if not ordered or ends[-1] != arrays["words"].size:
        raise damaged(path, "has words that do not fit its matrix")
    if "counts" in arrays and arrays["counts"].shape != (count,):
        raise damaged(path, "has counts that do not fit its words")


def _content(arrays: dict[str, np.ndarray], path: Path, reading: Reading) -> Content:
    rows = reading.rows(len(arrays["matrix"]))
    matrix, ends, text = arrays["matrix"][:rows], arrays["ends"][:rows], arrays["words"].tobytes()
    starts = np.concatenate([[0], ends[:-1]])
    words = Words(path, reading)
    kept = words.add_all(text[a:b] for a, b in zip(starts, ends, strict=True))
    counts = arrays["counts"][:rows] if "counts" in arrays else None
    part = isinstance(matrix, np.memmap) and not reading.mmap
    return content_of(words, kept, np.array(matrix) if part else matrix, counts)


def _open(source: Source) -> tuple[dict[str, Any], dict[str, Entry], int]:
    """The description, the tensors and where the data begin, once all of it fits the file."""
    path = source.path
    header, start = _header(source)
    metadata = header.pop("__metadata__", {})
    about = _parsed(metadata.get(KEY) if isinstance(metadata, dict) else None)
    if not isinstance(about, dict) or about.get("kind") != KIND:
        kind = about.get("kind") if isinstance(about, dict) else None
        raise CarouselError(
            f"{path} holds {shown(kind) if kind else 'something else'}, but {KIND} that Carousel saved are needed here."
        )
    version = about.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise CarouselError(
            f"{path} has format version {shown(version)}, but this Carousel knows versions up to {VERSION}. "
            "Upgrade carousel-rnn."
        )
    entries = {name: _entry(source, name, value) for name, value in header.items()}
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].begin):
        if entry.begin != place:
            raise damaged(
                path, f"is not a whole safetensors file (the tensor {shown(name)} begins elsewhere)"
            )
        place += _nbytes(entry)
    if place != (source.size or 0) - start:
        raise damaged(path, f"is not a whole safetensors file (its tensors need {place:,} bytes)")
    for name in ("matrix", "words", "ends"):
        if name not in entries:
            raise damaged(path, f"has no tensor {name}")
    return about, entries, start


def _header(source: Source) -> tuple[dict[str, Any], int]:
    """The JSON at the beginning, and where it ends."""
    length = int.from_bytes(source.file.read(8), "little")
    if not 2 <= length <= min(_LONGEST_HEADER, (source.size or 0) - 8):
        raise damaged(source.path, f"is not a whole safetensors file (its header claims {length:,} bytes)")
    header = _parsed(source.file.read(length))
    if not isinstance(header, dict):
        raise damaged(source.path, "is not a whole safetensors file (its header is no JSON object)")
    return header, 8 + length


def _parsed(text: Any) -> Any:
    """What JSON says, or None for what is no JSON."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _entry(source: Source, name: str, value: Any) -> Entry:
    """One tensor of the header; raises CarouselError unless type, shape and place fit each other and the file."""
    path = source.path
    try:
        dtype, shape, (begin, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
        sound = all(type(n) is int and 0 <= n <= (source.size or 0) for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError):
        sound = False
    if sound and dtype != (expected := _TYPES.get(name, "F32")):
        raise damaged(path, f"has the tensor {shown(name)} as {shown(dtype)}, not {expected}")
    if not sound or end - begin != _nbytes(entry := Entry(dtype, shape, begin)):
        raise damaged(path, f"is not a whole safetensors file (it says of {shown(name)}: {shown(value)})")
    return entry


def _nbytes(entry: Entry) -> int:
    return math.prod(entry.shape) * _DTYPES[entry.dtype].itemsize


def _read(source: Source, start: int, entry: Entry) -> np.ndarray:
    source.file.seek(start + entry.begin)
    count = math.prod(entry.shape)
    array = np.fromfile(source.file, _DTYPES[entry.dtype], count)
    if len(array) != count:
        raise damaged(source.path, "became shorter while it was read")
    return array.reshape(entry.shape)


def _map(source: Source, start: int, entry: Entry) -> np.ndarray:
    dtype = _DTYPES[entry.dtype]
    if 0 in entry.shape:
        return np.empty(entry.shape, dtype)
    return np.memmap(source.file, dtype, "r", start + entry.begin, entry.shape)


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    """CRC-32 over names, shapes and bytes in the order of the names."""
    value = 0
    for name in sorted(arrays):
        array = arrays[name]
        value = zlib.crc32(f"{name} {array.shape}".encode(), value)
        value = zlib.crc32(array.reshape(-1).view(np.uint8).data, value)
    return value
