"""word2vec's binary: a line "n d", then each word, a blank, and d float32, little end first."""

from io import BufferedReader
from pathlib import Path

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, Source, Words, damaged, words_on_a_line
from carousel.embeddings.formats.text import read_header

LONGEST_WORD = 10_000  # bytes
_CHUNK = 1 << 22  # bytes read at a time
_FLOAT = np.dtype("<f4")


def save(path: str | Path, content: Content) -> None:
    """Write what word2vec and gensim write; the words in UTF-8."""
    words_on_a_line(content.words, path, " \n")
    with replacing(path) as file:
        file.write(f"{len(content.words)} {content.matrix.shape[1]}\n".encode())
        for word, row in zip(content.words, content.matrix, strict=True):
            file.write(word.encode() + b" " + row.astype(_FLOAT).tobytes())


def load(source: Source, reading: Reading) -> Content:
    """Read it; word2vec ends each row with a line end, gensim does not, and both are understood."""
    path, file = source.path, source.file
    count, dimension = read_header(source)
    width = dimension * _FLOAT.itemsize
    left = None if source.size is None else source.size - file.tell()
    if left is not None and count * (width + 2) > left:  # a letter and a blank before each row
        raise damaged(
            path, f"claims {count:,} words of {dimension:,} numbers, but {left:,} bytes cannot hold them"
        )
    words = Words(path, reading)
    rows = bytearray()  # grows with what is read, not with what is claimed
    wanted = reading.rows(count)
    for number in range(1, wanted + 1):
        word = _read_word(file, path, number)
        data = _read_row(file, width)
        if len(data) < width:
            raise damaged(path, f"ends in the middle of word {number:,} of {count:,}")
        if words.add(word, number):
            rows += data
    if wanted == count and file.read(2).strip():
        raise damaged(path, f"claims {count:,} words in its first line, but goes on after them")
    return Content(words.listed(), np.frombuffer(rows, _FLOAT).reshape(-1, dimension))


def _read_row(file: BufferedReader, width: int) -> bytes:
    """The next `width` bytes, or what is left; in parts, since the width is only a claim."""
    if width <= _CHUNK:
        return file.read(width)
    found = bytearray()
    while len(found) < width and (data := file.read(min(_CHUNK, width - len(found)))):
        found += data
    return bytes(found)


def _read_word(file: BufferedReader, path: Path, number: int) -> bytes:
    """The bytes up to the next blank; a line end before them belongs to the row above."""
    found = bytearray()
    while True:
        ahead = file.peek(256)[: LONGEST_WORD + 1]
        if not ahead:
            raise damaged(path, f"ends in the middle of word {number:,}")
        end = ahead.find(b" ")
        found += file.read(len(ahead) if end < 0 else end + 1)
        if len(found) > LONGEST_WORD:
            raise damaged(path, f"has no end to word {number:,} within {LONGEST_WORD:,} bytes")
        if end >= 0:
            break
    word = bytes(found[:-1]).lstrip(b"\n")
    if not word:
        raise damaged(path, f"has an empty word {number:,}")
    return word
