"""Byte pairs as symbols: frequent strings become one symbol, and no text is unknown."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from carousel.data.chunks import chunks
from carousel.data.vocabularies.base import BATCHED, BOUNDARY, Vocabulary, check_size, special_bytes
from carousel.errors import CarouselError, shown
from carousel.plain import described, typed

DEFAULT_SIZE = 1024
LONGEST = 1024  # characters of a word that pairs are learned from
# the tokenizer numbers its symbols from 0; the boundary is ours, so no text can spell it
_FIRST = BOUNDARY + 1


@dataclass(frozen=True)
class _Pairs:
    """The fields that are read of a tokenizer's model."""

    vocab: dict[str, int]
    merges: list[Any]  # pairs, or texts with a blank between the two


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
        self.symbol_bytes = special_bytes(unknown=False) + [
            bytes(to_byte[letter] for letter in name) for name in names
        ]

    @classmethod
    def _fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        check_size(size, 256 + _FIRST, cls.level)
        tokenizer = _tokenizer(BPE())
        trainer = BpeTrainer(
            vocab_size=(size or DEFAULT_SIZE) - _FIRST,
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=[],
        )
        tokenizer.train_from_iterator((part for text in texts for part in _short(text)), trainer)
        return cls(tokenizer)

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> Self:
        """Made from the symbols and the merges alone; the rest of the description is not read."""
        tokenizer = typed(dict[str, Any], data.get("tokenizer"), "tokenizer")
        pairs = described(_Pairs, typed(dict[str, Any], tokenizer.get("model"), "model"), "model")
        letters = set(_letters_of_bytes().values())
        if sorted(pairs.vocab.values()) != list(range(len(pairs.vocab))) or not letters <= pairs.vocab.keys():
            raise CarouselError(
                "a bpe vocabulary must number its symbols from 0, and have one for each byte."
            )
        merges = [each.split(" ") if isinstance(each, str) else each for each in pairs.merges]
        pairwise = typed(list[tuple[str, str]], merges, "merges")
        for left, right in pairwise:
            if not {left, right, left + right} <= pairs.vocab.keys():
                raise CarouselError(
                    f"a bpe vocabulary must merge symbols to a symbol; got {shown(left, 40)}, {shown(right, 40)}."
                )
        if any(not name or not letters.issuperset(name) for name in pairs.vocab):
            raise CarouselError("the symbols of a bpe vocabulary must be written in the letters of bytes.")
        return cls(_tokenizer(BPE(pairs.vocab, pairwise)))

    def _content(self) -> dict[str, Any]:
        return {"tokenizer": json.loads(self._tokenizer.to_str())}

    def _encode(self, text: str) -> np.ndarray:
        encoded = self._tokenizer.encode_batch_fast(list(chunks(text, BATCHED)), add_special_tokens=False)
        return np.concatenate([np.array(one.ids, dtype=np.int32) for one in encoded]) + np.int32(_FIRST)

    def unknown(self, text: str) -> list[str]:
        return []


def _tokenizer(model: BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return tokenizer


def _short(text: str) -> Iterator[str]:
    """A text in chunks whose words are at most `LONGEST` long: the time of learning grows with its square."""
    for chunk in chunks(text, BATCHED):
        if max(map(len, chunk.split()), default=0) <= LONGEST:
            yield chunk
        else:
            yield from (chunk[at : at + LONGEST] for at in range(0, len(chunk), LONGEST))


def _letters_of_bytes() -> dict[int, str]:
    """The visible letter by which byte-level BPE writes each byte (GPT-2's `bytes_to_unicode`)."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible}
    return letters | {byte: chr(256 + k) for k, byte in enumerate(hidden)}
