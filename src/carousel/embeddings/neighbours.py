"""The rows of a matrix that are nearest to a query by cosine, computed in parts that bound the memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from carousel.errors import CarouselError, shown
from carousel.shown import Shown, Table

_CELLS = 1 << 24  # numbers in memory at once beside the matrix itself: 64 MB of float32
_FLOOR = 1e-6  # keeps the quotient of 3CosMul finite, as in word2vec and gensim


class Neighbour(NamedTuple):
    """A word and how near it is."""

    word: str
    similarity: float  # the cosine, -1 to 1; with method "3cosmul" its score


class Neighbours(list[Neighbour], Shown):
    """The words nearest to a question, the nearest first: a list that a notebook shows as a table.

    >>> Neighbours([Neighbour("cat", 0.91)])[0].word
    'cat'
    """

    def table(self) -> Table:
        """The words with how near they are."""
        return Table(("word", "similarity"), [(word, f"{similarity:.4f}") for word, similarity in self])


def lengths(matrix: np.ndarray) -> np.ndarray:
    """Euclidean length of each row, (n, d) -> (n,) float32; 1 for rows of zeros, whose cosines are then 0."""
    result = np.empty(len(matrix), np.float32)
    for rows in row_slices(len(matrix), matrix.shape[1]):
        result[rows] = np.sqrt(np.einsum("nd,nd->n", matrix[rows], matrix[rows], dtype=np.float64))
    result[result == 0] = 1
    return result


def row_slices(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers, each small enough to be held beside the matrix."""
    step = max(1, _CELLS // max(width, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows (m, d) at length 1; rows of zeros stay."""
    return vectors / lengths(vectors)[:, None]


def cosines(matrix: np.ndarray, scale: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Cosines (m, n) of unit queries (m, d) with all rows (n, d) of lengths `scale` (n,)."""
    return np.asarray(units @ matrix.T) / scale


def three_cos_add(
    matrix: np.ndarray, scale: np.ndarray, positive: np.ndarray, negative: np.ndarray
) -> np.ndarray:
    """Cosine of every row with the mean direction, + positive - negative (Mikolov et al. 2013).

    positive (q, p, d) and negative (q, m, d), rows of length 1, for q queries. Returns (q, n).
    """
    return cosines(matrix, scale, unit(positive.sum(1) - negative.sum(1)))


def three_cos_mul(
    matrix: np.ndarray, scale: np.ndarray, positive: np.ndarray, negative: np.ndarray
) -> np.ndarray:
    """Product of the positive cosines over that of the negative ones, each moved to 0..1 (Levy & Goldberg 2014).

    Shapes as in `three_cos_add`.
    """
    result = np.ones((len(positive), len(matrix)), np.float32)
    for k in range(positive.shape[1]):
        result *= (1 + cosines(matrix, scale, positive[:, k])) / 2
    below = np.ones_like(result)
    for k in range(negative.shape[1]):
        below *= (1 + cosines(matrix, scale, negative[:, k])) / 2
    return result / (below + np.float32(_FLOOR))


Method = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
METHODS: dict[str, Method] = {"3cosadd": three_cos_add, "3cosmul": three_cos_mul}


def method(name: str) -> Method:
    """The function of that name; raises CarouselError for another name."""
    if name not in METHODS:
        raise CarouselError(f"method must be one of {', '.join(METHODS)}; got {shown(name)}.")
    return METHODS[name]


def best(
    matrix: np.ndarray,
    scale: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    rows: range | list[int],
    left_out: Sequence[Sequence[int]],
    top: int,
    score: Method,
) -> Iterator[tuple[list[int], np.ndarray]]:
    """For each query the `top` of `rows` with the highest scores, without those in `left_out`, and their scores.

    positive (q, p, d), negative (q, m, d). Many queries share one matrix product. Equal scores keep the order of the
    rows, which rises.
    """
    taken = slice(len(rows)) if isinstance(rows, range) else rows
    matrix, scale = matrix[taken], scale[taken]
    for part in row_slices(len(positive), len(matrix) * max(1, positive.shape[1])):
        scores = score(matrix, scale, positive[part], negative[part])
        for row, hidden in zip(scores, left_out[part], strict=True):
            places, found = _top(row, [rows.index(k) for k in hidden if k in rows], top)
            yield [rows[k] for k in places], found


def _top(scores: np.ndarray, hidden: Sequence[int], top: int) -> tuple[np.ndarray, np.ndarray]:
    scores[list(hidden)] = -np.inf
    count = max(0, min(top, len(scores) - len(set(hidden))))
    if count == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    last = np.partition(scores, len(scores) - count)[len(scores) - count]
    rows = np.flatnonzero(scores >= last)  # ascending, and with all ties of the last one
    rows = rows[np.argsort(-scores[rows], kind="stable")][:count]
    return rows, scores[rows]
