"""What every vocabulary can do: text to numbers and back, to a file and back."""

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from carousel.atomic import write_atomic
from carousel.data.chunks import chunks
from carousel.errors import CarouselError
from carousel.plain import typed

BOUNDARY = 0  # the symbol between documents, at every level
UNKNOWN = 1  # the symbol of what train never showed, at the levels that have one
BOUNDARY_SYMBOL, UNKNOWN_SYMBOL = "<eod>", "<unk>"
_SHOWN = 40  # characters of a symbol in a message
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Vocabulary(ABC):
    """The symbols of a text, numbered: 0 is the boundary between documents, `<eod>`. `fit_vocabulary` makes one.

    Every symbol stands for fixed UTF-8 bytes (`symbol_bytes`), and joining them gives the text back.

    >>> from carousel.data import Document, fit_vocabulary, load_vocabulary
    >>> vocabulary = fit_vocabulary("char", [Document("a", "abba")])
    >>> vocabulary.encode("abc").tolist(), vocabulary.unknown("abc")
    ([2, 3, 1], ['c'])
    >>> vocabulary.decode([3, 2, 0], boundary="|"), list(vocabulary.decode_stream([3, 2]))
    ('ba|', ['b', 'a'])
    >>> vocabulary.save("vocabulary.json")
    >>> load_vocabulary("vocabulary.json") == vocabulary
    True
    """

    format: ClassVar[str] = "carousel-vocabulary"
    version: ClassVar[int] = 1
    level: ClassVar[str]
    boundary_text: ClassVar[str] = ""
    """The text of the boundary: none, but at the level of tokens a line end."""
    symbol_bytes: list[bytes]
    """The bytes of each symbol; none for the boundary, and a replacement character for `<unk>`."""

    @classmethod
    @abstractmethod
    def _fit(cls, texts: Iterable[str], size: int | None = None) -> Self:
        """The vocabulary of at most `size` symbols of these texts, which can be iterated over several times."""

    @classmethod
    @abstractmethod
    def _from_json(cls, data: dict[str, Any]) -> Self:
        """The vocabulary that `to_json` described; format and version are checked already."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """What `to_json` adds to the level."""

    @abstractmethod
    def _encode(self, text: str) -> np.ndarray:
        """`encode` for a chunk of text that is valid Unicode."""

    @abstractmethod
    def unknown(self, text: str) -> list[str]:
        """The characters or words of `text` that have no symbol, each once, in order of appearance."""

    @property
    def size(self) -> int:
        """V, the number of symbols."""
        return len(self.symbol_bytes)

    @cached_property
    def symbols(self) -> list[str]:
        """Each symbol as text: `<eod>`, `<unk>`, then the others; bytes of a cut character as \\xNN."""
        symbols = [each.decode("utf-8", "backslashreplace") for each in self.symbol_bytes]
        symbols[BOUNDARY] = BOUNDARY_SYMBOL
        if symbols[UNKNOWN] == _REPLACEMENT:
            symbols[UNKNOWN] = UNKNOWN_SYMBOL
        return symbols

    def encode(self, text: str, strict: bool = False) -> np.ndarray:
        """The symbols of `text`, (N,) int32, without boundaries; what has no symbol becomes `<unk>`.

        Raises CarouselError for text that is not valid Unicode, and with `strict` for unknown symbols.
        """
        _check_unicode(text)
        ids = np.concatenate([self._encode(chunk) for chunk in chunks(text)])
        if strict and (unknown := self.unknown(text)):
            raise CarouselError(self._complaint(unknown))
        return ids

    def decode(self, ids: Iterable[int], boundary: str | None = None) -> str:
        """The text of the symbols `ids`: `decode(encode(text)) == text` if no symbol is unknown.

        `<eod>` becomes `boundary` (None: `boundary_text`), `<unk>` and broken UTF-8 a replacement character.

        Raises CarouselError for a number that is not in the vocabulary.
        """
        return "".join(self.decode_stream(ids, boundary))

    def decode_stream(self, ids: Iterable[int], boundary: str | None = None) -> Iterator[str]:
        """`decode` for `ids` that come one at a time: yields text as soon as a character is whole."""
        boundary = self.boundary_text if boundary is None else boundary
        partial = codecs.getincrementaldecoder("utf-8")("replace")
        for number in ids:
            at = int(number)
            if not 0 <= at < self.size:
                raise CarouselError(f"symbols of this vocabulary are 0 to {self.size - 1}; got {at}.")
            if at == BOUNDARY:
                yield partial.decode(b"", final=True) + boundary
                partial.reset()
            elif text := partial.decode(self.symbol_bytes[at]):
                yield text
        if text := partial.decode(b"", final=True):
            yield text

    def to_json(self) -> dict[str, Any]:
        """A description for JSON, from which `vocabulary_from_json` makes an equal vocabulary."""
        return {"format": self.format, "version": self.version, "level": self.level, **self._content()}

    def save(self, path: str | Path) -> None:
        """Write the vocabulary to `path` as JSON, atomically. Raises CarouselError if the disk refuses."""
        write_atomic(path, json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.level, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"

    def _complaint(self, unknown: Sequence[str]) -> str:
        noun = {"char": "character", "word": "word"}.get(self.level, "symbol")
        return (
            f"every {noun} must be in the vocabulary of the train text; it has no {listed(unknown)}. Use other "
            f"{noun}s, or train at the level bpe, which knows every text."
        )


def listed(symbols: Sequence[str], most: int = 10) -> str:
    """Symbols for a message: the first ones, long ones cut, and the number of the others.

    >>> listed(["a", "bb", "c"], most=2)
    "'a', 'bb' and 1 more"
    """
    shown = ", ".join(repr(one if len(one) <= _SHOWN else one[:_SHOWN] + "...") for one in symbols[:most])
    return shown + (f" and {len(symbols) - most:,} more" if len(symbols) > most else "")


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CarouselError(
            f"text must be valid Unicode; character {error.start} is the lone surrogate {text[error.start]!r}. Convert "
            "the input to UTF-8."
        ) from error


def texts_in(data: dict[str, Any], name: str) -> list[str]:
    """The texts that a description lists under a name; raises CarouselError for anything else."""
    texts = typed(list[str], data.get(name), name)
    _check_unicode("".join(texts))
    return texts


def check_size(size: int | None, least: int, level: str) -> None:
    """Raise CarouselError unless a size is None or a whole number of at least `least` symbols."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < least):
        raise CarouselError(
            f"the size of a {level} vocabulary must be a whole number of at least {least}; got {size!r}."
        )


def special_bytes(unknown: bool) -> list[bytes]:
    """The bytes of the special symbols, in their order."""
    return [b"", _REPLACEMENT.encode("utf-8")] if unknown else [b""]


BATCHED = 1 << 16  # characters that a tokenizer is given at once; it holds them several times over
