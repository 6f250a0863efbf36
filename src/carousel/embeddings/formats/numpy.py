"""NumPy: one .npz with matrix, words and counts, or a .npy of the matrix beside a .vocab of the words. No pickle."""

import io
import math
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import (
    Content,
    Reading,
    Source,
    Words,
    content_of,
    damaged,
    whole_number,
    words_on_a_line,
)
from carousel.errors import CarouselError, shown

_EXPANDS = 20  # no array of word vectors is so many times as large as its compressed form
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

# what Python's reader of archives raises for broken ones, names that are not UTF-8 among them
_NO_ARCHIVE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError,
    OSError, struct.error, zlib.error,
)  # fmt: skip
# what NumPy's reader, which parses the header as a Python literal, was seen to raise for broken ones
_NO_HEADER = (ValueError, KeyError, EOFError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError)


def save_npz(path: str | Path, content: Content) -> None:
    """Write arrays `words`, `matrix` and, where known, `counts`, which `numpy.load` opens anywhere."""
    if any(word.endswith("\0") for word in content.words):
        raise CarouselError(
            f"words in {path} must not end in a zero byte; one does. Save as .safetensors, which holds any word."
        )
    arrays = {"words": np.array(content.words, np.str_), "matrix": np.asarray(content.matrix)}
    if content.counts is not None:
        arrays["counts"] = content.counts
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_npz(source: Source, reading: Reading) -> Content:
    """Read what `save_npz` wrote."""
    path = source.path
    try:
        with zipfile.ZipFile(source.file) as archive:
            arrays = {name: _member(archive, name, path) for name in ("words", "matrix")}
            counts = _member(archive, "counts", path) if "counts.npy" in archive.namelist() else None
    except CarouselError:
        raise
    except _NO_ARCHIVE as error:
        raise damaged(path, f"is not a whole archive ({shown(str(error))})") from None
    listed, matrix = arrays["words"], arrays["matrix"]
    fits = listed.dtype.kind in "US" and listed.ndim == 1 and matrix.ndim == 2 and len(listed) == len(matrix)
    if not fits or matrix.dtype.kind not in "fiu":
        raise damaged(path, "must hold words (n) as text and a matrix (n, d) of numbers")
    if counts is not None and (counts.shape != listed.shape or counts.dtype.kind not in "iu"):
        raise damaged(path, "must hold counts (n) as whole numbers")
    rows = reading.rows(len(listed))
    words = Words(path, reading)
    try:
        kept = words.add_all(listed[:rows].tolist())
    except CarouselError:
        raise
    except ValueError as error:  # and UnicodeError
        raise damaged(path, f"has words that are not text ({shown(str(error))})") from None
    return content_of(words, kept, matrix[:rows], None if counts is None else counts[:rows])


def save_npy(path: str | Path, content: Content) -> None:
    """Write the matrix, and beside it NAME.vocab: a line for each word, with its count where known."""
    words_on_a_line(content.words, path, " \t\r\n")
    lines = content.words
    if content.counts is not None:
        lines = [f"{word} {count}" for word, count in zip(content.words, content.counts, strict=True)]
    vocab = "".join(f"{line}\n" for line in lines).encode()
    # both are whole before either is there; the matrix ends with a checksum of its words, a second array
    with replacing(_vocab(Path(path))) as beside, replacing(path) as file:
        beside.write(vocab)
        np.save(file, np.asarray(content.matrix, np.float32), allow_pickle=False)
        np.save(file, np.array(zlib.crc32(vocab), np.uint32), allow_pickle=False)


def load_npy(source: Source, reading: Reading) -> Content:
    """Read or map the matrix, and read the words beside it."""
    path, file = source.path, source.file
    shape, fortran, dtype = _header(file, path)
    start, nbytes = file.tell(), _bytes(shape, dtype)
    left = (source.size or 0) - start
    if len(shape) != 2 or fortran or dtype.kind not in "fiu" or nbytes > left:
        raise damaged(
            path, f"claims numbers of shape {shown(shape)} by rows, which its {left:,} bytes are not"
        )
    file.seek(start + nbytes)
    checksum = _second(file, path) if nbytes < left else None
    listed, counts = _read_vocab(_vocab(path), reading, checksum)
    if len(listed) != reading.rows(shape[0]):
        raise damaged(_vocab(path), f"has {len(listed):,} words, but {path.name} {shape[0]:,} rows")
    words = Words(_vocab(path), reading, "line")
    kept = words.add_all(listed)
    if reading.mmap and nbytes:
        matrix: np.ndarray = np.memmap(file, dtype, "r", start, shape)[: len(listed)]
    else:
        file.seek(start)
        matrix = np.fromfile(file, dtype, len(listed) * shape[1]).reshape(len(listed), shape[1])
    return content_of(words, kept, matrix, counts)


def _second(file: io.BufferedReader, path: Path) -> int:
    """The checksum of the words, which is an array of its own behind the matrix."""
    shape, _, dtype = _header(file, path)
    data = file.read(dtype.itemsize + 1)
    if shape != () or dtype != np.uint32 or len(data) != dtype.itemsize:
        raise damaged(path, "goes on after its matrix, and not with the checksum of its words")
    return int(np.frombuffer(data, dtype)[0])


def _vocab(path: Path) -> Path:
    return path.with_suffix(".vocab")


def _read_vocab(path: Path, reading: Reading, checksum: int | None) -> tuple[list[bytes], np.ndarray | None]:
    """The words, each in a line, and their counts; all lines are held against the checksum, if there is one."""
    if not path.is_file():
        raise damaged(path, "must be in the folder of the .npy, with a word on each line, but does not exist")
    data = path.read_bytes()
    if checksum is not None and zlib.crc32(data) != checksum:
        raise CarouselError(
            f"{path} and its .npy must be of one version; one of them was replaced, perhaps just now. Read them "
            "again, or write both again. A .safetensors holds all in one file."
        )
    words: list[bytes] = []
    counts: list[int] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n")[: reading.limit], 1):
        fields = line.rstrip(b"\r").split(b" ")
        count = whole_number(fields[1]) if len(fields) == 2 else None
        if not fields[0] or len(fields) > 2 or (len(fields) == 2 and count is None):
            raise damaged(path, f"has in line {number:,} something else than a word, or a word and its count")
        words.append(fields[0])
        counts += [] if count is None else [count]
    if counts and len(counts) != len(words):
        raise damaged(path, "has counts for some of its words only")
    return words, np.array(counts, np.int64) if counts else None


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """One array of the archive. Its size is checked before memory is asked for, and objects are refused."""
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise damaged(path, f"has no array {name!r}") from None
    if entry.file_size > _EXPANDS * max(entry.compress_size, 1):
        raise damaged(path, f"claims that {name!r} expands to {entry.file_size:,} bytes, which is refused")
    data = io.BytesIO(archive.read(entry))
    shape, fortran, dtype = _header(data, path)
    raw = data.getbuffer()[data.tell() :]
    if _bytes(shape, dtype) != len(raw):
        raise damaged(path, f"claims {name!r} of shape {shown(shape)}, which its {len(raw):,} bytes are not")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: io.BufferedIOBase, path: Path) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type; only plain numbers and text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = _READERS[np.lib.format.read_magic(file)](file)
    except _NO_HEADER as error:
        raise damaged(path, f"has a header that is none of NumPy's ({shown(str(error))})") from None
    if dtype.kind not in "fiuUS" or dtype.itemsize == 0 or any(size < 0 for size in shape):
        raise damaged(path, f"holds an array of shape {shown(shape)} and type {dtype}, not numbers or text")
    return shape, fortran, dtype


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return math.prod(shape, start=dtype.itemsize)
