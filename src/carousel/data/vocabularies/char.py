"""Characters as symbols."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from carousel.data.vocabularies.base import UNKNOWN, Vocabulary, check_size, special_bytes, texts_in
from carousel.errors import CarouselError


class CharVocabulary(Vocabulary):
    """0 `<eod>`, 1 `<unk>`, then the characters, sorted.

    >>> vocabulary = CharVocabulary("abc")
    >>> vocabulary.encode("cab?").tolist()
    [4, 2, 3, 1]
    """

    level = "char"

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = sorted(characters)
        if any(len(character) != 1 for character in characters) or len(set(characters)) != len(characters):
            raise CarouselError("a char vocabulary must list single characters, each once.")
        self.symbol_bytes = special_bytes(unknown=True) + [
            character.encode("utf-8") for character in self.characters
        ]
        codes = np.array([ord(character) for character in self.characters], dtype=np.int64)
        # code point -> symbol; one extra slot at the end for every code point above the highest known one
        self._table = np.full(codes.max(initial=0) + 2, UNKNOWN, dtype=np.int32)
        self._table[codes] = np.arange(UNKNOWN + 1, UNKNOWN + 1 + len(codes))

    @classmethod
    def _fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        check_size(size, UNKNOWN + 2, cls.level)
        counts = np.zeros(0, dtype=np.int64)
        for text in texts:
            more = np.bincount(_code_points(text))
            if len(more) > len(counts):
                counts, more = more, counts
            counts[: len(more)] += more
        codes = np.flatnonzero(counts)
        if size is not None:
            frequent = np.argsort(-counts[codes], kind="stable")[: size - UNKNOWN - 1]
            codes = codes[frequent]
        return cls([chr(code) for code in codes])

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Self:
        return cls(texts_in(data, "characters"))

    def _content(self) -> dict[str, Any]:
        return {"characters": self.characters}

    def _encode(self, text: str) -> np.ndarray:
        codes = _code_points(text)
        return self._table[np.minimum(codes, len(self._table) - 1)]

    def unknown(self, text: str) -> list[str]:
        return [character for character in dict.fromkeys(text) if self._symbol(character) == UNKNOWN]

    def _symbol(self, character: str) -> int:
        return int(self._table[min(ord(character), len(self._table) - 1)])


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
