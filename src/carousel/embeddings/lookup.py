"""Words of an evaluation, looked up among the most frequent ones, with or without regard to case."""

from functools import cached_property

import numpy as np

from carousel.embeddings.normalization import nfc
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown


class Lookup:
    """The first `restrict` words of `vectors`; without `case`, words that differ in case alone are one word.

    Among these the first, which is the most frequent, stands for all, as in gensim.
    """

    def __init__(self, vectors: Vectors, restrict: int | None, case: bool) -> None:
        if restrict is not None and restrict < 1:
            raise CarouselError(f"restrict must be at least 1 word; got {shown(restrict)}.")
        self.vectors = vectors
        self.words = vectors.words[:restrict]
        self._folded = [nfc(word if case else word.lower()) for word in self.words]
        self._case = case
        self._rows: dict[str, int] = {}
        for row, word in enumerate(self._folded):
            self._rows.setdefault(word, row)

    def row(self, word: str) -> int | None:
        """The row of a word, or None for an unknown one."""
        return self._rows.get(nfc(word if self._case else word.lower()))

    @cached_property
    def representatives(self) -> np.ndarray:
        """For each row the row that stands for it: (n,)."""
        return np.array([self._rows[word] for word in self._folded])

    @cached_property
    def alike(self) -> dict[int, list[int]]:
        """All rows for which a row stands, for rows that stand for more than themselves."""
        found: dict[int, list[int]] = {}
        for row in np.flatnonzero(self.representatives != np.arange(len(self.words))):
            first = int(self.representatives[row])
            found.setdefault(first, [first]).append(int(row))
        return found
