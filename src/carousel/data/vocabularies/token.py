"""Words of a text that is already cut into words: one sentence a line, white space between words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from carousel.data.chunks import chunks
from carousel.data.vocabularies.base import (
    BOUNDARY,
    UNKNOWN,
    UNKNOWN_SYMBOL,
    Vocabulary,
    check_size,
    listed,
    texts_in,
)
from carousel.errors import CarouselError
from carousel.plain import typed


def size_without_rare(texts: Iterable[str]) -> int | None:
    """The size of a vocabulary in which words that occur once are `<unk>`; None for a text that writes `<unk>`.

    >>> size_without_rare(["a a b b c\\n"])  # the end of a line, <unk>, a, b: of a size of 3, as "c" alone is rare
    3
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.split())
    if UNKNOWN_SYMBOL in counts or len(counts) < UNKNOWN + 2:
        return None
    frequent = sum(count > 1 for count in counts.values())
    return max(UNKNOWN + 2, min(frequent + 2, len(counts)))


class TokenVocabulary(Vocabulary):
    """0 the line end, which ends a sentence, then `<unk>` if the text has it, then the words, the most frequent first.

    This is the form of the Penn Treebank and of WikiText for language models. White space between words is not kept:
    decoded text has one space there.

    >>> vocabulary = TokenVocabulary(["the", "cat", "dog"], knows_unknown=True)
    >>> vocabulary.encode("the dog\\n").tolist(), vocabulary.encode("a cat\\n").tolist()
    ([2, 4, 0], [1, 3, 0])
    >>> vocabulary.decode([2, 4, 0])
    'the dog\\n'
    """

    level = "token"
    boundary_text = "\n"

    def __init__(self, words: Sequence[str], knows_unknown: bool) -> None:
        self.words, self.knows_unknown = list(words), knows_unknown
        if len({*words, UNKNOWN_SYMBOL}) <= len(words) or any(word.split() != [word] for word in words):
            raise CarouselError("a token vocabulary must list words without white space, each once.")
        names = [UNKNOWN_SYMBOL, *self.words] if knows_unknown else self.words
        self.symbol_bytes = [b"\n", *(f" {name}".encode() for name in names)]
        self._numbers = {name: number for number, name in enumerate(names, BOUNDARY + 1)}

    @classmethod
    def _fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        """Every word of the texts; with a size the most frequent words, and `<unk>` for all others."""
        check_size(size, UNKNOWN + 2, cls.level)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text.split())
        knows = counts.pop(UNKNOWN_SYMBOL, 0) > 0 or (size is not None and len(counts) >= size)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(words if size is None else words[: size - 1 - knows], knows)

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Self:
        return cls(texts_in(data, "words"), typed(bool, data.get("knows_unknown"), "knows_unknown"))

    @property
    def symbols(self) -> list[str]:
        """Each symbol as text: `<eos>`, then the words."""
        return ["<eos>", *self._numbers]

    def _content(self) -> dict[str, Any]:
        return {"words": self.words, "knows_unknown": self.knows_unknown}

    def _encode(self, text: str) -> np.ndarray:
        numbers = self._numbers
        otherwise = UNKNOWN if self.knows_unknown else -1
        ids: list[int] = []
        for k, line in enumerate(text.split("\n")):
            if k:
                ids.append(BOUNDARY)
            ids += [numbers.get(word, otherwise) for word in line.split()]
        if not self.knows_unknown and -1 in ids:
            raise CarouselError(self._missing(self.unknown(text)))
        return np.array(ids, dtype=np.int32)

    def _missing(self, unknown: Sequence[str]) -> str:
        return (
            f"every word must be in the train text if it has no <unk>; it lacks {listed(unknown)}. Write <unk> for "
            "rare words of the train text, or give a vocabulary size, which makes the rarest words <unk>."
        )

    def unknown(self, text: str) -> list[str]:
        words = (word for piece in chunks(text) for word in piece.split())
        return [word for word in dict.fromkeys(words) if word not in self._numbers]

    def decode(self, ids: Iterable[int], boundary: str | None = None) -> str:
        return super().decode(ids, boundary).removeprefix(" ")

    def decode_stream(self, ids: Iterable[int], boundary: str | None = None) -> Iterator[str]:
        begins = False
        for piece in super().decode_stream(ids, boundary):
            yield piece.removeprefix(" ") if begins else piece
            begins = piece.endswith("\n")
