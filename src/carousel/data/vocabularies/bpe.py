"""Byte pairs as symbols: frequent strings become one symbol, and no text is unknown."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from carousel.data.cuts import pieces
from carousel.data.vocabularies.base import BATCHED, BOUNDARY, Vocabulary, check_size, special_pieces

DEFAULT_SIZE = 1024
LONGEST = 1024  # characters of a word that pairs are learned from
_FIRST = (
    BOUNDARY + 1
)  # the tokenizer numbers its symbols from 0; the boundary is ours, so no text can spell it


class BytePairVocabulary(Vocabulary):
    """0 `<eod>`, then 256 bytes, then pairs of symbols merged one after the other (Sennrich et al. 2016).

    On bytes (Radford et al. 2019), so that `decode(encode(text)) == text` for every text.
    """

    level = "bpe"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        numbers = tokenizer.get_vocab()
        to_byte = {letter: byte for byte, letter in _letters_of_bytes().items()}
        names = sorted(numbers, key=numbers.__getitem__)
        self.pieces = special_pieces(unknown=False) + [
            bytes(to_byte[letter] for letter in name) for name in names
        ]

    @classmethod
    def fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        check_size(size, 256 + _FIRST, cls.level)
        tokenizer = Tokenizer(BPE())
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        trainer = BpeTrainer(
            vocab_size=(size or DEFAULT_SIZE) - _FIRST,
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=[],
        )
        tokenizer.train_from_iterator((part for text in texts for part in _short(text)), trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(Tokenizer.from_str(json.dumps(data["tokenizer"])))

    def _content(self) -> dict[str, Any]:
        return {"tokenizer": json.loads(self._tokenizer.to_str())}

    def _encode(self, text: str) -> np.ndarray:
        encoded = self._tokenizer.encode_batch_fast(list(pieces(text, BATCHED)), add_special_tokens=False)
        return np.concatenate([np.array(one.ids, dtype=np.int32) for one in encoded]) + np.int32(_FIRST)

    def unknown(self, text: str) -> list[str]:
        return []


def _short(text: str) -> Iterator[str]:
    """A text in pieces without a longer word than `LONGEST`: the time of learning grows with the square of that."""
    for piece in pieces(text, BATCHED):
        if max(map(len, piece.split()), default=0) <= LONGEST:
            yield piece
        else:
            yield from (piece[at : at + LONGEST] for at in range(0, len(piece), LONGEST))


def _letters_of_bytes() -> dict[int, str]:
    """The visible letter by which byte-level BPE writes each byte (GPT-2's `bytes_to_unicode`)."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible}
    return letters | {byte: chr(256 + k) for k, byte in enumerate(hidden)}
