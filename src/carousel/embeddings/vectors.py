"""Word vectors in use: nearest words, analogies, the odd one out; files; PyTorch layers."""

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
from carousel.embeddings.neighbours import Neighbour, Neighbours
from carousel.embeddings.normalization import nfc, visible
from carousel.embeddings.spelling import near_spellings
from carousel.errors import CarouselError, shown

if TYPE_CHECKING:
    from torch import nn

    from carousel.embeddings.projection import Symbols

Word = str | np.ndarray  # in a query: a word, or a vector (d,) itself


class Vectors:
    """n words, and a vector of d numbers for each.

    Args:
        words: n different words, kept in NFC; if it is known, the most frequent first.
        matrix: (n, d), kept as float32. A memory map of float32 stays one and is read as needed.
        counts: (n,) how often each word occurs, or None if that is not known.

    Raises CarouselError for words that are not text or not different, shapes that do not fit, and numbers that are not
    finite. A memory map is not read through to look for such numbers.

    >>> vectors = Vectors(["king", "queen", "man", "woman"], np.array([[2, 0.2], [2, 1.5], [1, 0], [1, 1]]))
    >>> len(vectors), vectors.dimension, "queen" in vectors, vectors["man"].tolist(), vectors.index("man")
    (4, 2, True, [1.0, 0.0], 2)
    >>> [(word, round(similarity, 3)) for word, similarity in vectors.nearest("king", top=2)]
    [('man', 0.995), ('queen', 0.856)]
    >>> vectors.analogy("man", "king", "woman", top=1)[0].word
    'queen'
    >>> round(vectors.similarity("queen", "woman"), 3), vectors.restricted(2).words
    (0.99, ['king', 'queen'])
    >>> vectors.save("four.vec")
    >>> Vectors.load("four.vec")
    Vectors(4 words, 2 dimensions)
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
        """d, the length of a vector."""
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
        """The row of `word`, which is looked up in NFC, then without invisible characters such as a soft hyphen.

        Raises CarouselError, with similar spellings, for an unknown word.
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
        row = self._index.get(nfc(word))
        return self._index.get(visible(word)) if row is None else row

    @cached_property
    def lengths(self) -> np.ndarray:
        """The Euclidean length of each vector, (n,); 1 for a vector of zeros. Computed when first needed.

        Raises CarouselError if a memory map holds numbers that are not finite.
        """
        found = neighbours.lengths(self.matrix)
        if not np.isfinite(found).all():
            raise not_finite(self.words[int(np.argmin(np.isfinite(found)))])
        return found

    def similarity(self, one: Word, other: Word) -> float:
        """The cosine of `one` and `other`, words or vectors (d,): 1 for the same direction, -1 for opposite ones."""
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
        """The `top` words nearest to all of `positive` and far from all of `negative`, nearest first.

        Words of the question are left out of the answer. Each is a single word or a list; a vector (d,) may stand for a
        word. `method` is "3cosadd" (cosine with the sum of directions, Mikolov et al. 2013) or "3cosmul" (product of
        cosines, Levy & Goldberg 2014). For one positive word both give the same order. `restrict` searches only the
        first words, the most frequent ones, this many; `among` searches only these words.

        Raises CarouselError for unknown words (in `among` too), an empty question, and vectors of another dimension.

        >>> vectors = Vectors(["up", "down", "side"], np.array([[1, 1], [-1, 1], [1, 0]]))
        >>> [each.word for each in vectors.nearest("up")]
        ['side', 'down']
        >>> [each.word for each in vectors.nearest("up", among=["down"])]
        ['down']
        """
        wanted, unwanted = _listed(positive), _listed(negative)
        if not wanted and not unwanted:
            raise CarouselError("nearest needs at least one word; got none. Pass a word or a vector.")
        known = [self.index(word) for word in wanted + unwanted if isinstance(word, str)]
        questions = self._units(wanted)[None], self._units(unwanted)[None], [known]
        return self._best(*questions, top, method, restrict, among)[0]

    def nearest_each(
        self,
        words: Iterable[Word],
        top: int = 10,
        *,
        restrict: int | None = None,
        among: Iterable[str] | None = None,
    ) -> list[Neighbours]:
        """`nearest` for each of many `words`, in few matrix products of at most 64 MB each.

        `top`, `restrict` and `among` are as in `nearest`.

        >>> vectors = Vectors(["up", "down", "side"], np.array([[1, 1], [-1, 1], [1, 0]]))
        >>> [found[0].word for found in vectors.nearest_each(["up", "side"], top=1)]
        ['side', 'up']
        """
        asked = list(words)
        units = self._units(asked)[:, None]
        known = [[self.index(word)] if isinstance(word, str) else [] for word in asked]
        return self._best(units, units[:, :0], known, top, "3cosadd", restrict, among)

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
        """What is to `c` as `b` is to `a` (man : king = woman : ?): `nearest([b, c], [a])`.

        `top`, `method`, `restrict` and `among` are as in `nearest`.
        """
        return self.nearest([b, c], [a], top, method=method, restrict=restrict, among=among)

    def odd_one_out(self, words: Sequence[str]) -> str:
        """The one of `words` that is farthest from their mean direction.

        Raises CarouselError for unknown words, and for fewer than three words.

        >>> vectors = Vectors(["red", "blue", "seven"], np.array([[5, 1], [4, 1.2], [0, 3]]))
        >>> vectors.odd_one_out(["red", "seven", "blue"])
        'seven'
        """
        if len(words) < 3:
            raise CarouselError(f"odd_one_out needs at least three words; got {len(words)}. Pass more words.")
        units = self._units(words)
        return words[int(np.argmin(units @ units.mean(0)))]

    def restricted(self, count: int) -> Vectors:
        """The first `count` words alone, as views. Raises CarouselError for a count below 1."""
        if count < 1:
            raise CarouselError(f"count must be at least 1; got {shown(count)}. Pass a number of words.")
        counts = None if self.counts is None else self.counts[:count]
        return Vectors(self.words[:count], self.matrix[:count], counts)

    def save(self, path: str | Path, format: str | None = None) -> None:
        """Write the file `path` atomically, in the format of its ending or in `format`.

        .txt, .vec: word2vec's text, which gensim and fastText read; .bin: word2vec's binary; .safetensors and
        .npz: one file with everything; .npy: the matrix, with a second file NAME.vocab that has the words.

        Raises CarouselError for an unknown ending, words that the format cannot hold, and a full disk.
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
        """Read vectors in any format that `save` writes, or GloVe's text; the content shows which it is.

        Args:
            path: a regular file; text and binary may be compressed (.gz, .bz2, .xz).
            format: "text", "glove", "binary", "safetensors", "npz" or "npy"; None: what the content shows.
            limit: read only the first words, this many.
            mmap: leave the matrix on the disk and read what is needed (.safetensors and .npy).
            errors: what to do with words that are not UTF-8, as in bytes.decode: "strict", or "backslashreplace"
                to read such bytes as \\xNN.
            duplicates: "error", or "first" to keep the first of equal words; words are compared in NFC.

        Raises CarouselError for a missing, truncated, damaged or foreign file. Nothing in a file is ever executed.
        """
        content = formats.load(
            path, format=format, limit=limit, mmap=mmap, errors=errors, duplicates=duplicates
        )
        try:
            return cls(content.words, content.matrix, content.counts)
        except CarouselError as error:
            raise CarouselError(f"{path}: {error}") from None

    def to_embedding(self, vocabulary: Symbols | None = None, *, freeze: bool = False) -> nn.Embedding:
        """A PyTorch layer (n, d) that begins with a copy of these vectors.

        `vocabulary` gives the symbols of the layer's rows, as a `Vocabulary` or a list; None: the words themselves. A
        symbol is looked up without the blanks around it, as it is spelt, then in lower case. A symbol without a vector
        begins with normal numbers of the vectors' deviation. `freeze` keeps the layer from being trained.

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
        """The projection of `model`: a copy of the rows of its layer `embedding`, one for each symbol of `vocabulary`.

        A word is a symbol without the blanks around it. Of symbols that are then equal (" the" and "the"), the first
        stands for both. White space in words is written as signs: a blank as ␣, a line end as \\n.

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
                f"a question must be words, or vectors of {self.dimension} finite numbers; got "
                f"{type(vector).__name__} of shape {shown(np.shape(array))}. Pass a word or a row of `matrix`."
            )
        return array

    def _best(
        self,
        positive: np.ndarray,
        negative: np.ndarray,
        known: list[list[int]],
        top: int,
        method: str,
        restrict: int | None,
        among: Iterable[str] | None,
    ) -> list[Neighbours]:
        """The nearest words of each question, without those that it knows already."""
        for name, value in (("top", top), ("restrict", restrict)):
            if value is not None and value < 1:
                raise CarouselError(f"{name} must be at least 1; got {shown(value)}. Pass a number of words.")
        if isinstance(among, str):
            raise CarouselError(f"among must be a list of words; got {shown(among)}. Pass [{shown(among)}].")
        rows: range | list[int] = range(len(self))[:restrict]
        if among is not None:
            rows = [row for row in sorted({self.index(word) for word in among}) if row in rows]
        best = neighbours.best(
            self.matrix, self.lengths, positive, negative, rows, known, top, neighbours.method(method)
        )
        return [
            Neighbours(Neighbour(self.words[k], float(value)) for k, value in zip(*each, strict=True))
            for each in best
        ]


def _listed(words: Word | Sequence[Word]) -> list[Word]:
    single = isinstance(words, str) or (isinstance(words, np.ndarray) and words.ndim == 1)
    return [words] if single else list(words)  # type: ignore[list-item]
