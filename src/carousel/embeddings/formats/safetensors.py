"""safetensors: the matrix, the words and the counts in one file that can be mapped into memory.

Tensors: `matrix` (n, d) float32; `words`, the UTF-8 bytes of all words one after another; `ends` (n,) int64, where each
of them ends; `counts` (n,) int64 if known. The description says what the file is, and holds a checksum.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, damaged
from carousel.errors import CarouselError

KIND = "word vectors"
VERSION = 1
KEY = "carousel"
MORE = "more"  # in the description: of tensors that are no part of the vectors
_TYPES = {"matrix": "F32", "words": "U8", "ends": "I64", "counts": "I64"}
_DTYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "U8": np.dtype("u1"), "I64": np.dtype("<i8")}


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


def load(path: Path, reading: Reading) -> Content:
    """Read or map it. What is mapped, or read in part, is not held against the checksum."""
    about, header, start = _open(path)
    arrays = {name: _map(path, start, header[name]) for name in _TYPES if name in header}
    matrix, ends = arrays["matrix"], np.array(arrays["ends"])
    count = matrix.shape[0] if matrix.ndim == 2 else 0
    text = arrays["words"].tobytes()
    if not count or ends.shape != (count,) or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(text):
        raise damaged(path, "has words that do not fit its matrix")
    if not reading.mmap and reading.limit is None and _checksum(arrays) != about.get("checksum"):
        raise damaged(path, "has a checksum that does not fit")
    if "counts" in arrays and arrays["counts"].shape != (count,):
        raise damaged(path, "has counts that do not fit its words")
    rows = reading.rows(count)
    starts = np.concatenate([[0], ends[:-1]])
    words = [
        reading.word(text[a:b], path, f"word {k + 1:,}")
        for k, (a, b) in enumerate(zip(starts[:rows], ends[:rows], strict=True))
    ]
    counts = np.array(arrays["counts"][:rows]) if "counts" in arrays else None
    return Content(words, matrix[:rows] if reading.mmap else np.array(matrix[:rows]), counts)


def load_more(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """(the tensors that ride along, what was said about them), all read and checked; None where there are none."""
    description, header, start = _open(path)
    if MORE not in description:
        return None
    riding = description[MORE]
    if not isinstance(riding, dict) or not isinstance(riding.get("about"), dict):
        raise damaged(path, "has a description that cannot be read")
    wrong = [
        name for name, entry in header.items() if name not in _TYPES and entry.get("dtype", "F32") != "F32"
    ]
    if wrong:
        raise damaged(path, f"has the tensor {wrong[0]} as {header[wrong[0]]['dtype']}, not F32")
    arrays = {
        name: np.array(_map(path, start, entry)) for name, entry in header.items() if name != "__metadata__"
    }
    if _checksum(arrays) != riding.get("checksum"):
        raise damaged(path, "has a checksum that does not fit")
    return {name: array for name, array in arrays.items() if name not in _TYPES}, riding["about"]


def _open(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """The description, the header and where the data begin, once the library found the file sound."""
    try:
        with safe_open(str(path), "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise damaged(path, f"is not a whole safetensors file ({error})") from None
    with path.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    try:
        about = json.loads(metadata.get(KEY, ""))
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or about.get("kind") != KIND:
        kind = about.get("kind") if isinstance(about, dict) else "something else"
        raise CarouselError(f"{path} holds {kind}, but {KIND} that Carousel saved are needed here.")
    version = about.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise CarouselError(
            f"{path} has format version {version}, but this Carousel knows versions up to {VERSION}. "
            "Upgrade carousel-rnn."
        )
    for name in ("matrix", "words", "ends"):
        if name not in header:
            raise damaged(path, f"has no tensor {name}")
    for name, dtype in _TYPES.items():
        if name in header and header[name]["dtype"] != dtype:
            raise damaged(path, f"has the tensor {name} as {header[name]['dtype']}, not {dtype}")
    return about, header, 8 + length


def _map(path: Path, start: int, entry: dict[str, Any]) -> np.ndarray:
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start + entry["data_offsets"][0], shape)


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    """CRC-32 over names, shapes and bytes in the order of the names."""
    value = 0
    for name in sorted(arrays):
        array = arrays[name]
        value = zlib.crc32(f"{name} {array.shape}".encode(), value)
        value = zlib.crc32(array.reshape(-1).view(np.uint8).data, value)
    return value
