"""Word vectors in use: which words are near, which fill an analogy, which does not belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

import numpy as np

from carousel.embeddings import formats, neighbours
from carousel.embeddings.checks import (
    as_counts,
    as_matrix,
    as_words,
    check_different,
    check_finite,
    not_finite,
)
from carousel.embeddings.letters import composed, seen
from carousel.embeddings.neighbours import Neighbour, Neighbours
from carousel.embeddings.spelling import near_spellings
from carousel.errors import CarouselError, shown

if TYPE_CHECKING:
    from torch import nn

    from carousel.embeddings.projection import Symbols

Word = str | np.ndarray  # in a query: a word, or a vector (d,) itself


class Vectors:
    """n words and a vector of d numbers for each.

    Args:
        words: n different words, kept in NFC; where it is known, the most frequent first.
        matrix: (n, d), kept as float32. A memory map of float32 stays one and is read as needed.
        counts: (n,) how often each word was seen, or None where nobody knows.

    Raises CarouselError for words that are no text or not different, shapes that do not fit, and numbers that
    are not finite (a memory map is not read through to look for them).

    >>> vectors = Vectors(["king", "queen", "man"], np.array([[2, 2], [1.9, 2.2], [3, 0.5]]))
    >>> len(vectors), vectors.dimension, "queen" in vectors, vectors["man"].tolist()
    (3, 2, True, [3.0, 0.5])
    >>> [(word, round(similarity, 3)) for word, similarity in vectors.nearest("king")]
    [('queen', 0.997), ('man', 0.814)]
    """

    def __init__(
        self, words: Sequence[str], matrix: np.ndarray, counts: np.ndarray | Sequence[int] | None = None
    ) -> None:
        self.words = as_words(words)
        self.matrix = as_matrix(matrix, self.words)
        self.counts = None if counts is None else as_counts(counts, self.words)
        self._index = {word: k for k, word in enumerate(self.words)}
        check_different(self._index, self.words)
        check_finite(self.matrix, self.words)

    @property
    def dimension(self) -> int:
        """d, the numbers of a vector."""
        return int(self.matrix.shape[1])

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._row(word) is not None

    def __repr__(self) -> str:
        return f"Vectors({len(self):,} words, {self.dimension} dimensions)"

    @overload
    def __getitem__(self, word: str) -> np.ndarray: ...
    @overload
    def __getitem__(self, word: list[str] | tuple[str, ...]) -> np.ndarray: ...
    def __getitem__(self, word: str | list[str] | tuple[str, ...]) -> np.ndarray:
        """The vector (d,) of a word, or (m, d) of m words; raises CarouselError for unknown ones."""
        if isinstance(word, str):
            return self.matrix[self.index(word)]
        return self.matrix[[self.index(each) for each in word]]

    def index(self, word: str) -> int:
        """The row of a word; raises CarouselError, with near spellings, for one that is not there.

        A word is looked up in NFC, and then without characters that nobody sees, such as a soft hyphen.
        """
        row = self._row(word) if isinstance(word, str) else None
        if row is None:
            near = near_spellings(word, self._index, self.words) if isinstance(word, str) else []
            hint = f"did you mean {' or '.join(near)}?" if near else "no known word is spelt much like it."
            raise CarouselError(
                f"{shown(word)} is not among the {len(self):,} words of these vectors; {hint}"
            )
        return row

    def _row(self, word: str) -> int | None:
        row = self._index.get(composed(word))
        return self._index.get(seen(word)) if row is None else row

    @cached_property
    def lengths(self) -> np.ndarray:
        """Euclidean length of each vector, (n,); 1 where all numbers are zero. Computed when first needed.

        Raises CarouselError if a memory map turns out to hold numbers that are not finite.
        """
        found = neighbours.lengths(self.matrix)
        if not np.isfinite(found).all():
            raise not_finite(self.words[int(np.argmin(np.isfinite(found)))])
        return found

    def similarity(self, one: Word, other: Word) -> float:
        """The cosine of two words (or vectors): 1 the same direction, 0 none in common, -1 opposite."""
        a, b = self._units([one, other])
        return float(a @ b)

    def nearest(
        self,
        positive: Word | Sequence[Word],
        negative: Word | Sequence[Word] = (),
        top: int = 10,
        *,
        method: str = "3cosadd",
        restrict: int | None = None,
        among: Iterable[str] | None = None,
    ) -> Neighbours:
        """The words nearest to all of `positive` and far from all of `negative`, nearest first.

        Words of the question are left out of the answer. A single word, or lists; vectors of (d,) may stand
        for words. `method` is "3cosadd" (cosine with the sum of directions, Mikolov et al. 2013) or "3cosmul"
        (a product of cosines, Levy & Goldberg 2014); for one positive word both give the same order.
        `restrict` looks only through the first so many words, the most frequent ones; `among` only through these.

        Raises CarouselError for unknown words (in `among` too), an empty question, and vectors of another dimension.

        >>> vectors = Vectors(["up", "down", "side"], np.array([[1, 1], [-1, 1], [1, 0]]))
        >>> [each.word for each in vectors.nearest(["up", "side"], negative="down")]
        []
        >>> [each.word for each in vectors.nearest("up")]
        ['side', 'down']
        >>> [each.word for each in vectors.nearest("up", among=["down"])]
        ['down']
        """
        wanted, unwanted = _listed(positive), _listed(negative)
        if not wanted and not unwanted:
            raise CarouselError("nearest needs at least one word; got none.")
        known = [self.index(word) for word in wanted + unwanted if isinstance(word, str)]
        rows = self._candidates(restrict, among)
        return next(
            self._best(self._units(wanted)[None], self._units(unwanted)[None], [known], top, method, rows)
        )

    def nearest_each(
        self,
        words: Iterable[Word],
        top: int = 10,
        *,
        restrict: int | None = None,
        among: Iterable[str] | None = None,
    ) -> list[Neighbours]:
        """`nearest` for each of many words, by matrix products over as many as fit into 64 MB at once.

        >>> vectors = Vectors(["up", "down", "side"], np.array([[1, 1], [-1, 1], [1, 0]]))
        >>> [found[0].word for found in vectors.nearest_each(["up", "side"], top=1)]
        ['side', 'up']
        """
        asked = list(words)
        units = self._units(asked)[:, None]
        known = [[self.index(word)] if isinstance(word, str) else [] for word in asked]
        candidates = self._candidates(restrict, among)
        return list(self._best(units, units[:, :0], known, top, "3cosadd", candidates))

    def analogy(
        self,
        a: Word,
        b: Word,
        c: Word,
        top: int = 5,
        *,
        method: str = "3cosadd",
        restrict: int | None = None,
        among: Iterable[str] | None = None,
    ) -> Neighbours:
        """What is to `c` as `b` is to `a`: a : b = c : ? (man : king = woman : ?).

        The same as `nearest([b, c], [a])`.
        """
        return self.nearest([b, c], [a], top, method=method, restrict=restrict, among=among)

    def odd_one_out(self, words: Sequence[str]) -> str:
        """The word that lies farthest from the mean direction of all.

        Raises CarouselError for unknown words and for fewer than three, of which none could be odd.

        >>> vectors = Vectors(["red", "blue", "seven"], np.array([[5, 1], [4, 1.2], [0, 3]]))
        >>> vectors.odd_one_out(["red", "seven", "blue"])
        'seven'
        """
        if len(words) < 3:
            raise CarouselError(f"one of at least three words can be the odd one; got {len(words)}.")
        units = self._units(words)
        return words[int(np.argmin(units @ units.mean(0)))]

    def restricted(self, count: int) -> Vectors:
        """The first `count` words alone; nothing is copied."""
        if count < 1:
            raise CarouselError(f"vectors are restricted to at least 1 word; got {shown(count)}.")
        counts = None if self.counts is None else self.counts[:count]
        return Vectors(self.words[:count], self.matrix[:count], counts)

    def save(self, path: str | Path, format: str | None = None) -> None:
        """Write a file that is whole or not there; its ending says the format, unless `format` does.

        .txt, .vec: word2vec's text, which gensim and fastText read; .bin: word2vec's binary; .safetensors and
        .npz: one file with everything; .npy: the matrix, beside it a file NAME.vocab with the words.

        Raises CarouselError for an unknown ending, words that the format cannot hold, and a refusing disk.
        """
        formats.save(path, self.words, self.matrix, self.counts, format)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        format: str | None = None,
        limit: int | None = None,
        mmap: bool = False,
        errors: str = "strict",
        duplicates: str = "error",
    ) -> Self:
        """Read vectors of any format that `save` knows, and GloVe's text; the content says which it is.

        Args:
            path: a regular file; text and binary may be compressed (.gz, .bz2, .xz).
            format: "text", "glove", "binary", "safetensors", "npz" or "npy"; None: what the content shows.
            limit: only the first so many words.
            mmap: leave the matrix on the disk and read what is needed (.safetensors and .npy).
            errors: what to do with words that are not UTF-8, as in bytes.decode: "strict", or "backslashreplace"
                to take them as \\xNN.
            duplicates: "error", or "first" to keep the first of equal words; words are compared in NFC.

        Raises CarouselError for a missing, truncated, damaged or foreign file; nothing in it is ever executed.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.vec"
        >>> Vectors(["a", "b"], np.eye(2)).save(path)
        >>> Vectors.load(path)
        Vectors(2 words, 2 dimensions)
        """
        content = formats.load(
            path, format=format, limit=limit, mmap=mmap, errors=errors, duplicates=duplicates
        )
        try:
            return cls(content.words, content.matrix, content.counts)
        except CarouselError as error:
            raise CarouselError(f"{path}: {error}") from None

    def to_embedding(self, vocabulary: Symbols | None = None, *, freeze: bool = False) -> nn.Embedding:
        """A PyTorch layer that begins with these vectors, of which it has its own copy.

        vocabulary: the symbols that the layer's rows stand for, as a `Vocabulary` or a list; None: the words
        themselves. A symbol is looked up without the blanks around it, as it is spelt or else in lower case;
        one without a vector begins with normal numbers of the vectors' deviation. freeze: not to be trained.

        Raises CarouselError if no symbol has a vector.

        >>> import torch
        >>> layer = Vectors(["a", "b"], np.array([[1, 2], [3, 4]])).to_embedding(["b", "B", "c"])
        >>> layer(torch.tensor([0, 1])).tolist()
        [[3.0, 4.0], [3.0, 4.0]]
        """
        from carousel.embeddings import projection  # torch is loaded only where it is needed

        return projection.to_embedding(self, vocabulary, freeze=freeze)

    @classmethod
    def from_model(cls, model: nn.Module, vocabulary: Symbols) -> Self:
        """The projection of a model: what its layer `embedding` holds for each symbol, a copy.

        A word is a symbol without the blanks around it; of symbols that are then equal (" the" and "the") the
        first stands for both. White space in words is shown as signs: a blank as ␣, a line end as \\n.

        Raises CarouselError for a model that reads one-hot symbols, and for a vocabulary of another size.

        >>> from carousel.models import LanguageModel
        >>> Vectors.from_model(LanguageModel(3, hidden_size=8, embedding=4), ["<eod>", "<unk>", " the"]).words
        ['<eod>', '<unk>', 'the']
        """
        from carousel.embeddings import projection

        return cls(*projection.from_model(model, vocabulary))

    def _units(self, words: Sequence[Word]) -> np.ndarray:
        """Vectors (m, d) of length 1."""
        rows = np.empty((len(words), self.dimension), np.float32)
        for k, word in enumerate(words):
            rows[k] = self[word] if isinstance(word, str) else self._checked(word)
        return neighbours.unit(rows)

    def _checked(self, vector: object) -> np.ndarray:
        try:
            array = np.asarray(vector, np.float32)
        except (TypeError, ValueError):
            array = np.empty(0, np.float32)
        if array.shape != (self.dimension,) or not np.isfinite(array).all():
            raise CarouselError(
                f"a question is made of words and of vectors of {self.dimension} finite numbers; "
                f"got {type(vector).__name__} of shape {shown(np.shape(array))}."
            )
        return array

    def _best(
        self,
        positive: np.ndarray,
        negative: np.ndarray,
        known: list[list[int]],
        top: int,
        method: str,
        rows: range | list[int],
    ) -> Iterator[Neighbours]:
        if top < 1:
            raise CarouselError(f"top must be at least 1; got {shown(top)}.")
        score = neighbours.method(method)
        for found, scores in neighbours.best(
            self.matrix, self.lengths, positive, negative, rows, known, top, score
        ):
            yield Neighbours(
                Neighbour(self.words[k], float(value)) for k, value in zip(found, scores, strict=True)
            )

    def _candidates(self, restrict: int | None, among: Iterable[str] | None) -> range | list[int]:
        """The rows that may answer, in their order."""
        if restrict is not None and restrict < 1:
            raise CarouselError(f"restrict must be at least 1; got {shown(restrict)}.")
        first = range(len(self))[:restrict]
        if among is None:
            return first
        if isinstance(among, str):
            raise CarouselError(f"among must be a list of words; got the text {shown(among)}.")
        return [row for row in sorted({self.index(word) for word in among}) if row in first]


def _listed(words: Word | Sequence[Word]) -> list[Word]:
    single = isinstance(words, str) or (isinstance(words, np.ndarray) and words.ndim == 1)
    return [words] if single else list(words)  # type: ignore[list-item]
