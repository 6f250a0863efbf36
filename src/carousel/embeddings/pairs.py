"""Pairs of words that people have rated as a test of vectors: do their cosines rank the pairs as people do?"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carousel.embeddings import neighbours
from carousel.embeddings.lookup import Lookup
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.shown import Shown, Table, percent


@dataclass(frozen=True)
class PairScore(Shown):
    """How well cosines follow the ratings of people; a correlation is NaN if one of the two is constant."""

    spearman: float  # correlation of the ranks, -1 to 1
    pearson: float  # linear correlation, -1 to 1
    known: int  # pairs of words that both have a vector
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


def evaluate(lookup: Lookup, lines: Sequence[str], path: Path, unknown_as_zero: bool) -> PairScore:
    """Correlate cosines with the ratings in the lines of a file: on each line two words and a number.

    Columns are separated by tabs, commas or blanks. The rating is the first column after the words that is a number,
    which fits WordSim-353, SimLex-999, MEN and RareWord as they are published. A first line without a number is a
    header. Lines that begin with # are comments.
    """
    rows: list[tuple[int, int]] = []
    ratings: list[float] = []
    unknown: list[float] = []
    for one, other, rating in _parse(lines, path):
        a, b = lookup.row(one), lookup.row(other)
        if a is None or b is None:
            unknown.append(rating)
        else:
            rows.append((a, b))
            ratings.append(rating)
    if len(rows) < 2:
        raise CarouselError(
            f"at least 2 pairs must have two words with vectors; {path} has {len(rows) + len(unknown):,} pairs and "
            f"{len(rows)} of them has. Give vectors that were trained on the language of the file."
        )
    cosines = _cosines(lookup.vectors, np.array(rows))
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


def _parse(lines: Sequence[str], path: Path) -> Iterator[tuple[str, str, float]]:
    header = True  # may still come
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = _columns(line.rstrip("\r"))
        rating = next((value for value in map(_number, columns[2:]) if value is not None), None)
        if rating is not None:
            yield columns[0], columns[1], rating
        elif not header:
            raise CarouselError(
                f"a line of pairs must be two words and a number; line {number:,} of {path} is {shown(line)}. "
                "Correct it or leave it out."
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
