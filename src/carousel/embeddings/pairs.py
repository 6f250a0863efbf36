"""Pairs of words that people have rated as a test of vectors: do their cosines rank the pairs as people do?"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.embeddings import neighbours
from carousel.embeddings.cases import Lookup
from carousel.embeddings.questions import lines
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.shown import Shown, Table, percent


@dataclass(frozen=True)
class PairScore(Shown):
    """How well cosines follow ratings: rank and linear correlation over `known` pairs (NaN if all are equal)."""

    spearman: float
    pearson: float
    known: int
    unknown: int  # pairs with a word that has no vector

    @property
    def pairs(self) -> int:
        """All pairs of the file."""
        return self.known + self.unknown

    @property
    def unknown_share(self) -> float:
        """Share of the pairs that hold an unknown word."""
        return self.unknown / self.pairs

    def table(self) -> Table:
        """The correlations and how many pairs they are of."""
        return Table(
            ("Spearman", "Pearson", "pairs", "unknown"),
            [(f"{self.spearman:.3f}", f"{self.pearson:.3f}", f"{self.known:,}", percent(self.unknown_share))],
        )


def evaluate(
    vectors: Vectors,
    path: str | Path,
    *,
    restrict: int | None = 300_000,
    case: bool = False,
    unknown_as_zero: bool = False,
) -> PairScore:
    """Correlate cosines with the ratings of a file: on each line two words and a number.

    Columns are separated by tabs, commas or blanks; the rating is the first column after the words that is a
    number, which fits WordSim-353, SimLex-999, MEN and RareWord as they are published. A first line
    without a number is a header, lines that begin with # are comments. `restrict` and `case` are as in
    `carousel.embeddings.analogies.evaluate`. Pairs with an unknown word are left out, or with `unknown_as_zero`
    take part with a cosine of 0.

    Raises CarouselError for a file that cannot be read, is not of this format, or has fewer than two known pairs.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("cat\\tdog\\t9\\ncat\\tcar\\t2\\ndog\\tcar\\t3\\n")
    >>> vectors = Vectors(["cat", "dog", "car"], np.array([[5, 1], [5, 1.5], [0, 3]]))
    >>> evaluate(vectors, path).spearman
    1.0
    """
    lookup = Lookup(vectors, restrict, case)
    rows: list[tuple[int, int]] = []
    ratings: list[float] = []
    unknown: list[float] = []
    for one, other, rating in _read(Path(path)):
        a, b = lookup.row(one), lookup.row(other)
        if a is None or b is None:
            unknown.append(rating)
        else:
            rows.append((a, b))
            ratings.append(rating)
    if len(rows) < 2:
        raise CarouselError(
            f"of the {len(rows) + len(unknown):,} pairs in {path}, {len(rows)} have two words with vectors, and at "
            "least 2 are needed; were these vectors trained on the same language?"
        )
    cosines = _cosines(vectors, np.array(rows))
    expected = np.array(ratings)
    if unknown_as_zero:
        cosines = np.concatenate([cosines, np.zeros(len(unknown))])
        expected = np.concatenate([expected, unknown])
    return PairScore(spearman(cosines, expected), pearson(cosines, expected), len(rows), len(unknown))


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Linear correlation of two series (n,); NaN if one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else float("nan")


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Linear correlation of the ranks (Spearman 1904); equal values share the mean of their ranks."""
    return pearson(_ranks(x), _ranks(y))


def _ranks(x: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], np.float64)


def _cosines(vectors: Vectors, rows: np.ndarray) -> np.ndarray:
    units = neighbours.unit(np.asarray(vectors.matrix[rows.reshape(-1)], np.float32))
    one, other = np.moveaxis(units.reshape(-1, 2, vectors.dimension), 1, 0)
    return np.einsum("nd,nd->n", one, other).astype(np.float64)


def _read(path: Path) -> Iterator[tuple[str, str, float]]:
    header = True  # may still come
    for number, line in enumerate(lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = _columns(line.rstrip("\r"))
        rating = next((value for value in map(_number, columns[2:]) if value is not None), None)
        if rating is not None:
            yield columns[0], columns[1], rating
        elif not header:
            raise CarouselError(
                f"a line of pairs is two words and a number: line {number:,} of {path} is {shown(line)}."
            )
        header = False


def _columns(line: str) -> list[str]:
    if "\t" in line:
        return [column.strip() for column in line.split("\t")]
    return next(csv.reader([line], skipinitialspace=True)) if "," in line else line.split()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
