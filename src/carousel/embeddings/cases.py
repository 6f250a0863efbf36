"""Words looked up among the most frequent ones, with or without regard to letters of case."""

from functools import cached_property

import numpy as np

from carousel.embeddings.letters import composed
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown


class Lookup:
    """The first `restrict` words of `vectors`; unless `case` counts, words that differ in case alone are one.

    Among these the first, which is the most frequent, stands for all, as in gensim.
    """

    def __init__(self, vectors: Vectors, restrict: int | None, case: bool) -> None:
        if restrict is not None and restrict < 1:
            raise CarouselError(f"restrict must be at least 1 word; got {shown(restrict)}.")
        self.words = vectors.words[:restrict]
        self.case = case
        self._rows: dict[str, int] = {}
        for row, word in enumerate(self.words):
            self._rows.setdefault(self._folded(word), row)

    def row(self, word: str) -> int | None:
        """The row of a word, or None for an unknown one."""
        return self._rows.get(self._folded(word))

    @cached_property
    def representatives(self) -> np.ndarray:
        """For each row the row that stands for it: (n,)."""
        return np.array([self._rows[self._folded(word)] for word in self.words])

    @cached_property
    def alike(self) -> dict[int, list[int]]:
        """All rows for which a row stands, for rows that stand for more than themselves."""
        found: dict[int, list[int]] = {}
        for row in np.flatnonzero(self.representatives != np.arange(len(self.words))):
            first = int(self.representatives[row])
            found.setdefault(first, [first]).append(int(row))
        return found

    def _folded(self, word: str) -> str:
        return composed(word if self.case else word.lower())
