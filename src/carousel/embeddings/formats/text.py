"""Text: a word and its numbers on each line, after a header (word2vec, fastText) or without one (GloVe)."""

from collections.abc import Iterator
from io import BufferedReader
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import (
    Content,
    Reading,
    Source,
    Words,
    damaged,
    whole_number,
    words_on_a_line,
)
from carousel.errors import CarouselError

LONGEST_LINE = 1 << 22  # bytes; a line of 100,000 numbers has one
MARK = b"\xef\xbb\xbf"  # of byte order
_PARSED = 100_000  # numbers parsed together
_BLANKS = b" \t\r\n"


def save(path: str | Path, content: Content, header: bool = True) -> None:
    """Write "n d", then a line for each word; float32 come back exactly."""
    words_on_a_line(content.words, path, " \t\r\n")
    with replacing(path) as file:
        if header:
            file.write(f"{len(content.words)} {content.matrix.shape[1]}\n".encode())
        for word, row in zip(content.words, content.matrix, strict=True):
            file.write(f"{word} {' '.join(map(str, row))}\n".encode())


def load(source: Source, reading: Reading) -> Content:
    """Read the text of word2vec, gensim and fastText, whose first line says how many words and numbers."""
    path = source.path
    _skip_mark(source.file)
    count, dimension = read_header(source)
    # a letter, and for each number a blank and a digit; a line end but for the last
    if source.size is not None and count * (2 + 2 * dimension) > source.size + 1:
        raise damaged(
            path, f"claims {count:,} words of {dimension:,} numbers, but is only {source.size:,} bytes long"
        )
    lines = _lines(source.file, path, 2)
    wanted = reading.rows(count)
    content, rows = _rows(lines, path, reading, dimension, wanted)
    if rows < wanted:
        raise damaged(path, f"claims {count:,} words in its first line, but ends after {rows:,}")
    if wanted == count and next(lines, None) is not None:
        raise damaged(path, f"claims {count:,} words in its first line, but goes on after them")
    return content


def load_glove(source: Source, reading: Reading) -> Content:
    """Read GloVe's text: the first line says by itself how many numbers there are."""
    _skip_mark(source.file)
    lines = _lines(source.file, source.path, 1)
    first = next(lines, (1, b""))
    dimension = trailing_numbers(first[1])
    if dimension < 1:
        raise damaged(source.path, "has no word with numbers in its first line")
    return _rows(chain([first], lines), source.path, reading, dimension, reading.limit)[0]


def read_header(source: Source) -> tuple[int, int]:
    """The n and d of a first line "n d"."""
    line = source.file.readline(200)
    numbers = [whole_number(each) for each in line.split()]
    if len(numbers) != 2 or not line.endswith(b"\n") or not all(numbers):
        shown = line[:40].decode("utf-8", "backslashreplace").strip()
        raise damaged(
            source.path, f"must begin with a line of two counts, words and dimensions, but begins {shown!r}"
        )
    return numbers[0] or 0, numbers[1] or 0


def is_number(piece: bytes) -> bool:
    """Whether these bytes are a number in digits (NaN and infinity too, to be refused by name)."""
    try:
        float(piece)
    except ValueError:
        return False
    return b"_" not in piece


def trailing_numbers(line: bytes) -> int:
    """How many numbers end a line that begins with a word (which may itself be digits, or hold blanks)."""
    return sum(1 for _ in takewhile(is_number, reversed(fields_of(line)[1:])))


def fields_of(line: bytes) -> list[bytes]:
    """What stands between blanks or tabs, however many; a first blank ends an empty word."""
    first, *rest = line.rstrip(_BLANKS).replace(b"\t", b" ").split(b" ")
    return [first, *filter(None, rest)]


def _skip_mark(file: BufferedReader) -> None:
    """Read over a mark of byte order, which editors of Windows write."""
    if file.peek(len(MARK)).startswith(MARK):
        file.read(len(MARK))


def _lines(file: BinaryIO, path: Path, number: int) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends, none longer than memory should hold; empty ones are skipped."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise damaged(path, f"has a line {number:,} that does not end")
        if line := line.rstrip(_BLANKS):
            yield number, line
        number += 1


def _rows(
    lines: Iterator[tuple[int, bytes]], path: Path, reading: Reading, dimension: int, count: int | None
) -> tuple[Content, int]:
    """Words and numbers of at most `count` lines, and how many lines these were.

    The matrix grows with what is read, not with what is claimed.
    """
    words = Words(path, reading, "line")
    blocks: list[np.ndarray] = []
    texts: list[bytes] = []
    read = 0
    for number, line in islice(lines, count):
        word, numbers = _row(line, path, number, dimension)
        read += 1
        if words.add(word, number):
            texts += numbers
        if len(texts) >= max(_PARSED, dimension):
            blocks.append(_parse(texts, path, number))
            texts = []
    if texts:
        blocks.append(_parse(texts, path, None))
    if not blocks:
        raise damaged(path, "holds no word")
    matrix = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    return Content(words.listed(), matrix.reshape(-1, dimension)), read


def _row(line: bytes, path: Path, number: int, dimension: int) -> tuple[bytes, list[bytes]]:
    """The word of a line and its numbers, still as text."""
    word, *numbers = line.split(b" ")
    if len(numbers) != dimension or b"  " in line or b"\t" in line:
        # from the right: GloVe has words with blanks in them; but a number before the numbers is one too many
        word, *numbers = line.rsplit(None, dimension)
        if len(numbers) != dimension or ((b" " in word or b"\t" in word) and is_number(fields_of(word)[-1])):
            raise damaged(
                path,
                f"has {trailing_numbers(line)} numbers in line {number:,}, but {dimension} by its first line",
            )
    if b"_" in line and b"_" in b" ".join(numbers):  # Python's own way to group digits
        raise _no_number(path, next(each for each in numbers if b"_" in each), f" in line {number:,}")
    if not word or b"\r" in word or word.startswith(b" "):
        raise damaged(path, f"has no word at the beginning of line {number:,}")
    return word, numbers


def _parse(texts: list[bytes], path: Path, number: int | None) -> np.ndarray:
    """(m,) float32; `number` is the last line that they come from."""
    try:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
            return np.array([float(text) for text in texts]).astype(np.float32)
    except ValueError:
        wrong = next(text for text in texts if not is_number(text))
        raise _no_number(path, wrong, f" before line {number + 1:,}" if number else "") from None


def _no_number(path: Path, wrong: bytes, place: str) -> CarouselError:
    part = wrong[:40].decode("utf-8", "backslashreplace")
    return damaged(path, f"has {part!r}{place} where a number is due")
