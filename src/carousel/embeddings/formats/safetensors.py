"""safetensors: the matrix, the words and the counts in one file that can be mapped into memory.

Tensors: `matrix` (n, d) float32; `words`, the UTF-8 bytes of all words; `ends` (n,) int64, where each word ends;
`counts` (n,) int64 if known. The metadata says what the file is, and has a checksum.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, Source, Words, content_of, damaged
from carousel.errors import CarouselError, shown
from carousel.reading import check_version, parse_json
from carousel.tensor_file import TensorFile, tensors_of

KIND = "word vectors"
VERSION = 1
KEY = "carousel"
MORE = "more"  # in the metadata: about further tensors, which are no part of the vectors
_TYPES = {"matrix": "F32", "words": "U8", "ends": "I64", "counts": "I64"}
_DTYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "U8": np.dtype("u1"), "I64": np.dtype("<i8")}


def save(
    path: str | Path,
    content: Content,
    more: Mapping[str, np.ndarray] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write the file tensor by tensor, so that nothing is in memory twice.

    `more` are further float32 matrices, and `about` plain values; `load_more` reads them.
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
    """Read or map the file. A part, or a mapped file, is not compared with the checksum."""
    file, about = _open(source)
    part = reading.mmap or reading.limit is not None
    arrays = {
        name: file.map(name, _DTYPES["F32"]) if part and name == "matrix" else _read(file, name)
        for name in _TYPES
        if name in file.entries
    }
    _check_fit(arrays, source.path)
    if not part and _checksum(arrays) != about.get("checksum"):
        raise damaged(source.path, "has a checksum that does not fit")
    return _content(arrays, source.path, reading)


def load_more(source: Source) -> tuple[Content, dict[str, np.ndarray], dict[str, Any]] | None:
    """(the vectors, the further tensors, the values about them); None for a file without further tensors."""
    file, about = _open(source)
    if MORE not in about:
        return None
    further = about[MORE]
    if not isinstance(further, dict) or not isinstance(further.get("about"), dict):
        raise damaged(source.path, "has a description that cannot be read")
    arrays = {name: _read(file, name) for name in file.entries}
    _check_fit(arrays, source.path)
    if _checksum(arrays) != further.get("checksum"):
        raise damaged(source.path, "has a checksum that does not fit")
    more = {name: array for name, array in arrays.items() if name not in _TYPES}
    return _content(arrays, source.path, Reading()), more, further["about"]


def _check_fit(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raise CarouselError unless the tensors fit each other."""
    matrix, ends = arrays["matrix"], arrays["ends"]
    count = matrix.shape[0] if matrix.ndim == 2 else 0
    # compared, not subtracted: differences of numbers near 2^63 come out small
    ordered = count and ends.shape == (count,) and ends[0] >= 0 and (ends[1:] >= ends[:-1]).all()
    if not ordered or arrays["words"].shape != (ends[-1],):
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


def _open(source: Source) -> tuple[TensorFile, dict[str, Any]]:
    """The tensors and the description, once names and types are those of word vectors."""
    path = source.path
    file = tensors_of(source.file, path)
    try:
        about = parse_json(file.metadata.get(KEY, ""), path)
    except CarouselError:
        about = None
    if not isinstance(about, dict) or about.get("kind") != KIND:
        kind = about.get("kind") if isinstance(about, dict) else None
        raise CarouselError(
            f"a file must hold {KIND} that Carousel saved; {path} holds {shown(kind) if kind else 'something else'}. "
            "Give another file."
        )
    check_version(about.get("version"), VERSION, path)
    for name in ("matrix", "words", "ends"):
        if name not in file.entries:
            raise damaged(path, f"has no tensor {name}")
    for name, entry in file.entries.items():
        if entry.dtype != (expected := _TYPES.get(name, "F32")):
            raise damaged(path, f"has the tensor {shown(name)} as {entry.dtype}, not {expected}")
    return file, about


def _read(file: TensorFile, name: str) -> np.ndarray:
    entry = file.entries[name]
    array = np.empty(entry.shape, _DTYPES[entry.dtype])
    file.read_into(name, array)
    return array


def _checksum(arrays: dict[str, np.ndarray]) -> int:
    """CRC-32 over names, shapes and bytes in the order of the names."""
    value = 0
    for name in sorted(arrays):
        array = arrays[name]
        value = zlib.crc32(f"{name} {array.shape}".encode(), value)
        value = zlib.crc32(array.reshape(-1).view(np.uint8).data, value)
    return value
