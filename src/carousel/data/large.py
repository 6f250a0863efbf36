"""A text too large for memory: a stretch of a file, checked once from end to end and read chunk by chunk."""

import codecs
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from carousel.data.chunks import last_cut
from carousel.data.documents import Document, check_text, not_utf8

_INSIDE = bytes(range(0x80, 0xC0))  # of a character in UTF-8, but never its first byte
BLOCK = 1 << 22  # bytes read at a time


class LargeDocument(Document):
    """A document whose text stays in its file: the bytes from `start` to `stop`. `digest` is a hash of them."""

    def __init__(self, name: str, path: Path, start: int, stop: int) -> None:
        """Read all of it once: raises CarouselError where it is not UTF-8 text."""
        for attribute, value in (("name", name), ("path", path), ("start", start), ("stop", stop)):
            object.__setattr__(self, attribute, value)
        characters, digest, done = 0, blake2b(digest_size=16), 0
        decoder = codecs.getincrementaldecoder("utf-8")()
        for block in self._blocks():
            check_text(block, path, start + done)
            try:
                characters += len(decoder.decode(block, final=done + len(block) == stop - start))
            except UnicodeDecodeError as error:
                raise not_utf8(path, error, start + done + len(block)) from None
            digest.update(block)
            done += len(block)
        object.__setattr__(self, "_characters", characters)
        object.__setattr__(self, "digest", digest.hexdigest())

    path: Path
    start: int
    stop: int
    digest: str
    _characters: int

    @classmethod
    def open(cls, path: Path, name: str) -> "LargeDocument":
        """A whole file, without a byte order mark."""
        with path.open("rb") as file:
            mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        return cls(name, path, len(codecs.BOM_UTF8) if mark else 0, path.stat().st_size)

    @property
    def characters(self) -> int:
        return self._characters

    @property
    def text(self) -> str:
        """All of it, in memory."""
        return "".join(self.chunks())

    def chunks(self) -> Iterator[str]:
        """The text in chunks, cut between words (see `carousel.data.chunks`)."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        held = ""
        for block in self._blocks():
            held += decoder.decode(block)
            at = last_cut(held, BLOCK)
            if at > 0:
                yield held[:at]
                held = held[at:]
        if held:
            yield held

    def cut(self, shares: tuple[float, float]) -> list[Document]:
        """Three parts, cut behind these shares of the bytes, at a line end if one is near."""
        ends = [self._line_end(self.start + round(share * (self.stop - self.start))) for share in shares]
        places = [self.start, *ends, self.stop]
        return [LargeDocument(self.name, self.path, start, stop) for start, stop in pairwise(places)]

    def _line_end(self, at: int) -> int:
        """Behind the first line end from `at` - 1 on; where a line is longer than a block, between two characters."""
        with self.path.open("rb") as file:
            file.seek(max(self.start, at - 1))
            if file.readline(BLOCK).endswith(b"\n"):
                return min(file.tell(), self.stop)
            file.seek(at)
            begun = file.read(4)
            return at + len(begun) - len(begun.lstrip(_INSIDE))

    def _blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.stop - self.start
            while left > 0 and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LargeDocument) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def __repr__(self) -> str:
        return f"LargeDocument(name={self.name!r}, bytes={self.stop - self.start})"
