"""Text: a word and its numbers on each line, after a header (word2vec, fastText) or without one (GloVe)."""

import os
from collections.abc import Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, damaged, whole_number, words_on_a_line

LONGEST_LINE = 1 << 22  # bytes; a line of 100,000 numbers has one
_ROWS = 1000  # parsed together
_BLANKS = b" \t\r\n"


def save(path: str | Path, content: Content) -> None:
    """Write "n d", then a line for each word; float32 come back exactly."""
    words_on_a_line(content.words, path, " \t\r\n")
    with replacing(path) as file:
        file.write(f"{len(content.words)} {content.matrix.shape[1]}\n".encode())
        _write_rows(file, content)


def save_glove(path: str | Path, content: Content) -> None:
    """Write a line for each word, without a header."""
    words_on_a_line(content.words, path, " \t\r\n")
    with replacing(path) as file:
        _write_rows(file, content)


def _write_rows(file: BinaryIO, content: Content) -> None:
    for word, row in zip(content.words, content.matrix, strict=True):
        file.write(f"{word} {' '.join(map(str, row))}\n".encode())


def load(path: Path, reading: Reading) -> Content:
    """Read the text of word2vec, gensim and fastText, whose first line says how many words and numbers."""
    with path.open("rb") as file:
        count, dimension = read_header(file, path)
        size = os.fstat(file.fileno()).st_size
        # a letter, and for each number a blank and a digit; a line end but for the last
        if count * (2 + 2 * dimension) > size + 1:
            raise damaged(
                path, f"claims {count:,} words of {dimension:,} numbers, but is only {size:,} bytes long"
            )
        content = _rows(_lines(file, path, 2), path, reading, dimension, reading.rows(count))
        if len(content.words) < reading.rows(count):
            raise damaged(
                path, f"claims {count:,} words in its first line, but ends after {len(content.words):,}"
            )
        if reading.rows(count) == count and file.read(LONGEST_LINE).strip(_BLANKS):
            raise damaged(path, f"claims {count:,} words in its first line, but goes on after them")
    return content


def load_glove(path: Path, reading: Reading) -> Content:
    """Read GloVe's text: the first line says by itself how many numbers there are."""
    with path.open("rb") as file:
        lines = _lines(file, path, 1)
        first = next(lines, (1, b""))
        dimension = trailing_numbers(first[1])
        if dimension < 1:
            raise damaged(path, "has no word with numbers in its first line")
        return _rows(chain([first], lines), path, reading, dimension, reading.limit)


def read_header(file: BinaryIO, path: Path) -> tuple[int, int]:
    """The n and d of a first line "n d"."""
    line = file.readline(200)
    numbers = [whole_number(each) for each in line.split()]
    if len(numbers) != 2 or not line.endswith(b"\n") or not all(numbers):
        shown = line[:40].decode("utf-8", "backslashreplace").strip()
        raise damaged(
            path, f"must begin with a line of two counts, words and dimensions, but begins {shown!r}"
        )
    return numbers[0] or 0, numbers[1] or 0


def is_number(piece: bytes) -> bool:
    """Whether these bytes are a number in digits (NaN and infinity too, to be refused by name)."""
    try:
        float(piece)
    except ValueError:
        return False
    return True


def trailing_numbers(line: bytes) -> int:
    """How many numbers end a line that begins with a word (which may itself be digits, or hold blanks)."""
    pieces = line.rstrip(_BLANKS).split(b" ")[1:]
    return sum(1 for _ in takewhile(is_number, reversed(pieces)))


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
) -> Content:
    """Words and numbers of at most `count` lines. The matrix grows with what is read, not with what is claimed."""
    words: list[str] = []
    blocks: list[np.ndarray] = []
    texts: list[bytes] = []
    while count is None or len(words) < count:
        number, line = next(lines, (0, b""))
        if line:
            # from the right: GloVe has words with blanks in them
            word, *numbers = line.rsplit(b" ", dimension)
            if len(numbers) != dimension:
                raise damaged(
                    path, f"has {len(numbers)} numbers in line {number:,}, but {dimension} in its first"
                )
            words.append(reading.word(word, path, f"line {number:,}"))
            texts += numbers
        if texts and (not line or len(texts) >= _ROWS * dimension):
            blocks.append(_parse(texts, path, number or None).reshape(-1, dimension))
            texts = []
        if not line:
            break
    if texts:
        blocks.append(_parse(texts, path, None).reshape(-1, dimension))
    if not words:
        raise damaged(path, "holds no word")
    return Content(words, np.concatenate(blocks) if len(blocks) > 1 else blocks[0])


def _parse(texts: list[bytes], path: Path, number: int | None) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
            return np.array([float(text) for text in texts]).astype(np.float32)
    except ValueError:
        wrong = next(text for text in texts if not is_number(text))
        shown = wrong[:40].decode("utf-8", "backslashreplace")
        before = f" before line {number + 1:,}" if number else ""
        raise damaged(path, f"has {shown!r}{before} where a number is due") from None
