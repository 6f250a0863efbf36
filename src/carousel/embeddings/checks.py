"""What words, vectors and counts must be; each rule told with what came."""

from collections.abc import Mapping, Sequence

import numpy as np

from carousel.embeddings.letters import composed
from carousel.embeddings.neighbours import pieces
from carousel.errors import CarouselError, shown


def as_words(words: Sequence[str]) -> list[str]:
    """The words in NFC."""
    for word in words:
        if not isinstance(word, str):
            raise CarouselError(f"words must be text; got {shown(word)} of type {type(word).__name__}.")
    return [composed(word) for word in words]


def check_different(index: Mapping[str, int], words: list[str]) -> None:
    """Raise CarouselError for a word that comes again; `index` says where each came last."""
    if len(index) < len(words):
        word = next(word for k, word in enumerate(words) if index[word] != k)
        raise CarouselError(
            f"words must be different, but {shown(word)} comes more than once (in NFC, in which an accent and "
            "its letter are one character)."
        )


def as_matrix(matrix: np.ndarray, words: list[str]) -> np.ndarray:
    """(n, d) float32 with a row for each word; a memory map of float32 stays one."""
    mapped = isinstance(matrix, np.memmap) and matrix.dtype == np.float32
    try:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
            array = matrix if mapped else np.asarray(matrix, np.float32)
    except (TypeError, ValueError) as error:
        raise CarouselError(f"matrix must hold numbers; {error}.") from None
    if array.ndim != 2 or len(array) != len(words) or 0 in array.shape:
        raise CarouselError(
            f"matrix must be of shape (n, d), one row for each word, n and d at least 1; got shape "
            f"{tuple(array.shape)} and {len(words):,} words."
        )
    return array


def as_counts(counts: np.ndarray | Sequence[int], words: list[str]) -> np.ndarray:
    """(n,) int64, one for each word."""
    array = np.asarray(counts)
    if array.shape != (len(words),) or array.dtype.kind not in "iu" or (array < 0).any():
        raise CarouselError(
            f"counts must be whole numbers of at least 0, one for each of {len(words):,} words; "
            f"got {array.dtype} of shape {tuple(array.shape)}."
        )
    return array.astype(np.int64, copy=False)


def check_finite(matrix: np.ndarray, words: list[str]) -> None:
    """Raise CarouselError, with its word, for a vector that is not finite; a memory map is not read through."""
    if isinstance(matrix, np.memmap):
        return
    for rows in pieces(len(matrix), matrix.shape[1]):
        finite = np.isfinite(matrix[rows]).all(1)
        if not finite.all():
            raise not_finite(words[rows.start + int(np.argmin(finite))])


def not_finite(word: str) -> CarouselError:
    """The error for the vector of this word."""
    return CarouselError(f"vectors must be finite, but that of {shown(word)} holds NaN or infinity.")
