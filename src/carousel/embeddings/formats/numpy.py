"""NumPy: one .npz with matrix, words and counts, or a .npy of the matrix beside a .vocab of the words. No pickle."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, damaged, whole_number, words_on_a_line
from carousel.errors import CarouselError

_UNFOLDS = 20  # times its size: no matrix of word vectors can be compressed so far
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
            f"words in {path} cannot end in a zero byte; save as .safetensors, which holds any."
        )
    arrays = {"words": np.array(content.words, np.str_), "matrix": np.asarray(content.matrix)}
    if content.counts is not None:
        arrays["counts"] = content.counts
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_npz(path: Path, reading: Reading) -> Content:
    """Read what `save_npz` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _member(archive, name, path) for name in ("words", "matrix")}
            counts = _member(archive, "counts", path) if "counts.npy" in archive.namelist() else None
    except CarouselError:
        raise
    except _NO_ARCHIVE as error:
        raise damaged(path, f"is not a whole archive ({error})") from None
    words, matrix = arrays["words"], arrays["matrix"]
    if words.dtype.kind not in "US" or words.ndim != 1 or matrix.ndim != 2 or len(words) != len(matrix):
        raise damaged(path, "must hold words (n) as text and a matrix (n, d)")
    rows = reading.rows(len(words))
    try:
        listed = words[:rows].tolist()
    except ValueError as error:
        raise damaged(path, f"has words that are not text ({error})") from None
    if words.dtype.kind == "S":
        listed = [reading.word(word, path, f"word {k + 1:,}") for k, word in enumerate(listed)]
    return Content(listed, matrix[:rows], None if counts is None else counts[:rows])


def save_npy(path: str | Path, content: Content) -> None:
    """Write the matrix, and beside it NAME.vocab: a line for each word, with its count where known."""
    words_on_a_line(content.words, path, " \t\r\n")
    lines = content.words
    if content.counts is not None:
        lines = [f"{word} {count}" for word, count in zip(content.words, content.counts, strict=True)]
    # without its words the matrix is worthless, so they are there first
    with replacing(_vocab(Path(path))) as file:
        file.writelines(f"{line}\n".encode() for line in lines)
    with replacing(path) as file:
        np.save(file, np.asarray(content.matrix, np.float32), allow_pickle=False)


def load_npy(path: Path, reading: Reading) -> Content:
    """Read or map the matrix, and read the words beside it."""
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, path)
        start = file.tell()
    size = path.stat().st_size - start
    if len(shape) != 2 or fortran or _bytes(shape, dtype) != size:
        raise damaged(path, f"claims an array of shape {shape} by rows, which its {size:,} bytes are not")
    words, counts = _read_vocab(_vocab(path), reading)
    if len(words) != reading.rows(shape[0]):
        raise damaged(_vocab(path), f"has {len(words):,} words, but {path.name} {shape[0]:,} rows")
    matrix = np.memmap(path, dtype, "r", start, shape)[: len(words)] if size else np.empty(shape, np.float32)
    return Content(words, matrix if reading.mmap else np.array(matrix), counts)


def _vocab(path: Path) -> Path:
    return path.with_suffix(".vocab")


def _read_vocab(path: Path, reading: Reading) -> tuple[list[str], np.ndarray | None]:
    if not path.is_file():
        raise damaged(path, "must lie beside the .npy with a word on each line, but does not exist")
    words: list[str] = []
    counts: list[int] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if reading.limit is not None and len(words) == reading.limit:
                break
            pieces = line.rstrip(b"\r\n").split(b" ")
            count = whole_number(pieces[1]) if len(pieces) == 2 else None
            if not pieces[0] or len(pieces) > 2 or (len(pieces) == 2 and count is None):
                raise damaged(
                    path, f"has in line {number:,} something else than a word, or a word and its count"
                )
            words.append(reading.word(pieces[0], path, f"line {number:,}"))
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
    if entry.file_size > _UNFOLDS * max(entry.compress_size, 1):
        raise damaged(path, f"claims that {name!r} unfolds to {entry.file_size:,} bytes, which is refused")
    data = io.BytesIO(archive.read(entry))
    shape, fortran, dtype = _header(data, path)
    raw = data.getbuffer()[data.tell() :]
    if _bytes(shape, dtype) != len(raw):
        raise damaged(path, f"claims {name!r} of shape {shape}, which its {len(raw):,} bytes are not")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: io.BufferedIOBase, path: Path) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type; only plain numbers and text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = _READERS[np.lib.format.read_magic(file)](file)
    except _NO_HEADER as error:
        raise damaged(path, f"has a header that is none of NumPy's ({error})") from None
    if dtype.kind not in "fiuUS" or dtype.itemsize == 0 or any(size < 0 for size in shape):
        raise damaged(path, f"holds an array of shape {shape} and type {dtype}, not numbers or text")
    return shape, fortran, dtype


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    count = dtype.itemsize
    for size in shape:
        count *= size
    return count
