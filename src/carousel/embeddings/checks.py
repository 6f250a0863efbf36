"""What words, vectors and counts must be; the errors of `Vectors`."""

from collections.abc import Mapping, Sequence

import numpy as np

from carousel.embeddings.neighbours import row_slices
from carousel.embeddings.normalization import nfc
from carousel.errors import CarouselError, shown


def as_words(words: Sequence[str]) -> list[str]:
    """The words in NFC."""
    for word in words:
        if not isinstance(word, str):
            raise CarouselError(
                f"words must be text; got {shown(word)} of type {type(word).__name__}. Pass a list of str."
            )
    return [nfc(word) for word in words]


def check_different(index: Mapping[str, int], words: list[str]) -> None:
    """Raise CarouselError for a word that comes again; `index` says where each came last."""
    if len(index) < len(words):
        word = next(word for k, word in enumerate(words) if index[word] != k)
        raise CarouselError(
            f"words must be different in NFC, where a letter and its accent are one character; got {shown(word)} more "
            "than once. Leave it out once."
        )


def as_matrix(matrix: np.ndarray, words: list[str]) -> np.ndarray:
    """(n, d) float32 with a row for each word; a memory map of float32 stays one."""
    mapped = isinstance(matrix, np.memmap) and matrix.dtype == np.float32
    try:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
            array = matrix if mapped else np.asarray(matrix, np.float32)
    except (TypeError, ValueError) as error:
        raise CarouselError(f"matrix must hold numbers; {error}. Pass an array (n, d) of float32.") from None
    if array.ndim != 2 or len(array) != len(words) or 0 in array.shape:
        raise CarouselError(
            f"matrix must have the shape (n, d), one row for each word, n and d at least 1; got the shape "
            f"{tuple(array.shape)} for {len(words):,} words. Pass one row for each word."
        )
    return array


def as_counts(counts: np.ndarray | Sequence[int], words: list[str]) -> np.ndarray:
    """(n,) int64, one for each word."""
    array = np.asarray(counts)
    if array.shape != (len(words),) or array.dtype.kind not in "iu" or (array < 0).any():
        raise CarouselError(
            f"counts must be whole numbers of at least 0, one for each of the {len(words):,} words; got "
            f"{array.dtype} of shape {tuple(array.shape)}. Leave counts out if they are not known."
        )
    return array.astype(np.int64, copy=False)


def check_finite(matrix: np.ndarray, words: list[str]) -> None:
    """Raise CarouselError, with its word, for a vector that is not finite; a memory map is not read through."""
    if isinstance(matrix, np.memmap):
        return
    for rows in row_slices(len(matrix), matrix.shape[1]):
        finite = np.isfinite(matrix[rows]).all(1)
        if not finite.all():
            raise not_finite(words[rows.start + int(np.argmin(finite))])


def not_finite(word: str) -> CarouselError:
    """The error for the vector of this word."""
    return CarouselError(
        f"vectors must be finite; that of {shown(word)} holds NaN or infinity. Leave the word out."
    )
