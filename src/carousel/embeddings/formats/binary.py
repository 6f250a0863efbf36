"""word2vec's binary: a line "n d", then each word, a blank, and d float32, little end first."""

import os
from io import BufferedReader
from pathlib import Path

import numpy as np

from carousel.atomic import replacing
from carousel.embeddings.formats.content import Content, Reading, damaged, words_on_a_line
from carousel.embeddings.formats.text import read_header

LONGEST_WORD = 10_000  # bytes
_FLOAT = np.dtype("<f4")


def save(path: str | Path, content: Content) -> None:
    """Write what word2vec and gensim write; the words in UTF-8."""
    words_on_a_line(content.words, path, " \n")
    with replacing(path) as file:
        file.write(f"{len(content.words)} {content.matrix.shape[1]}\n".encode())
        for word, row in zip(content.words, content.matrix, strict=True):
            file.write(word.encode() + b" " + row.astype(_FLOAT).tobytes())


def load(path: Path, reading: Reading) -> Content:
    """Read it; word2vec ends each row with a line end, gensim does not, and both are understood."""
    with path.open("rb") as file:
        count, dimension = read_header(file, path)
        left = os.fstat(file.fileno()).st_size - file.tell()
        width = dimension * _FLOAT.itemsize
        if count * (width + 2) > left:  # a letter and a blank before each row
            raise damaged(
                path,
                f"claims {count:,} words of {dimension:,} numbers, but {left:,} bytes cannot hold them",
            )
        count = reading.rows(count)
        words: list[str] = []
        matrix = np.empty((count, dimension), np.float32)
        for k in range(count):
            raw = _read_word(file, path, k)
            words.append(reading.word(raw, path, f"word {k + 1:,}"))
            data = file.read(width)
            if len(data) < width:
                raise damaged(path, f"ends in the middle of word {k + 1:,} of {count:,}")
            matrix[k] = np.frombuffer(data, _FLOAT)
        if reading.limit is None and file.read(2).strip():
            raise damaged(path, f"claims {count:,} words in its first line, but goes on after them")
    return Content(words, matrix)


def _read_word(file: BufferedReader, path: Path, k: int) -> bytes:
    """The bytes up to the next blank; a line end before them belongs to the row above."""
    found = bytearray()
    while True:
        ahead = file.peek(256)[: LONGEST_WORD + 1]
        if not ahead:
            raise damaged(path, f"ends in the middle of word {k + 1:,}")
        end = ahead.find(b" ")
        found += file.read(len(ahead) if end < 0 else end + 1)
        if len(found) > LONGEST_WORD:
            raise damaged(path, f"has no end to word {k + 1:,} within {LONGEST_WORD:,} bytes")
        if end >= 0:
            break
    word = bytes(found[:-1]).lstrip(b"\n")
    if not word:
        raise damaged(path, f"has an empty word {k + 1:,}")
    return word
