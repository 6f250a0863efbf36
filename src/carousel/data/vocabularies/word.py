"""Words as symbols, with the white space that joins them."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer

from carousel.data.chunks import chunks
from carousel.data.vocabularies.base import (
    BATCHED,
    BOUNDARY_SYMBOL,
    UNKNOWN,
    UNKNOWN_SYMBOL,
    Vocabulary,
    check_size,
    special_bytes,
    texts_in,
)
from carousel.errors import CarouselError

DEFAULT_SIZE = 10_000
# A word or a mark, with the one space before it; a line end with the indentation after it; other white space. Every
# character belongs to exactly one of these, so nothing of the text is lost.
_WORDS = r" ?\w+| ?[^\w\s]|\n[ \t]*|[ \t]+|\s"


class WordVocabulary(Vocabulary):
    """0 `<eod>`, 1 `<unk>`, then the words, the most frequent first.

    A word carries the single space before it (" the"), a line end the indentation after it, so that joining
    the words gives the text back.
    """

    level = "word"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.symbol_bytes = special_bytes(unknown=True) + [word.encode("utf-8") for word in self.words]
        symbols = {BOUNDARY_SYMBOL: 0, UNKNOWN_SYMBOL: UNKNOWN}  # neither can be a word: "<", "eod", ">"
        symbols |= {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}
        if len(symbols) != len(self.symbol_bytes):
            raise CarouselError("a word vocabulary must list words, each once.")
        self._symbols = symbols
        self._tokenizer = _tokenizer(symbols)

    @classmethod
    def _fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        check_size(size, UNKNOWN + 2, cls.level)
        words = _frequent(texts, (size or DEFAULT_SIZE) - UNKNOWN - 1, at_least=2)
        # of a text in which no word occurs twice, all words are taken
        return cls(words or _frequent(texts, (size or DEFAULT_SIZE) - UNKNOWN - 1, at_least=1))

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Self:
        return cls(texts_in(data, "words"))

    def _content(self) -> dict[str, Any]:
        return {"words": self.words}

    def _encode(self, text: str) -> np.ndarray:
        encoded = self._tokenizer.encode_batch_fast(list(chunks(text, BATCHED)), add_special_tokens=False)
        return np.concatenate([np.array(one.ids, dtype=np.int32) for one in encoded])

    def unknown(self, text: str) -> list[str]:
        split = self._tokenizer.pre_tokenizer.pre_tokenize_str
        words = (word for piece in chunks(text, BATCHED) for word, _ in split(piece))
        return [word for word in dict.fromkeys(words) if word not in self._symbols]


def _tokenizer(symbols: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel(symbols, unk_token=UNKNOWN_SYMBOL))
    tokenizer.pre_tokenizer = Split(Regex(_WORDS), "isolated")
    return tokenizer


def _frequent(texts: Iterable[str], number: int, at_least: int) -> list[str]:
    tokenizer = _tokenizer({UNKNOWN_SYMBOL: 0})
    trainer = WordLevelTrainer(
        vocab_size=number, min_frequency=at_least, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator((part for text in texts for part in chunks(text, BATCHED)), trainer)
    numbers = tokenizer.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)
