"""A document: one text with a name, read from one file; and which bytes are text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from carousel.data.chunks import chunks
from carousel.data.opening import decompressed, is_streamed
from carousel.errors import CarouselError

UNPACKED = 1 << 30  # bytes of a packed text, or of standard input, at most
_SNIFFED = 8192  # bytes: a zero byte shows up this early in practically every binary file (git looks at 8000)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Document:
    """A text and its name."""

    name: str  # the path of its file below the root of the corpus, with forward slashes
    text: str

    @property
    def characters(self) -> int:
        """The length of the text in characters."""
        return len(self.text)

    def chunks(self) -> Iterator[str]:
        """The text in chunks of a few megabytes at most, cut between words (see `carousel.data.chunks`)."""
        return chunks(self.text)


def count_characters(documents: Iterable[Document]) -> int:
    """The number of characters that a model of these documents predicts: every character, and one end a document.

    All "bits per character" of Carousel are divided by it, whatever the level of the vocabulary.

    >>> count_characters([Document("a", "abc"), Document("b", "de")])
    7
    """
    return sum(document.characters + 1 for document in documents)


def read_document(path: Path, name: str) -> Document:
    """Read one UTF-8 file, compressed or not, without its byte order mark; line ends stay as they are.

    Raises CarouselError if the file cannot be read, is empty, or is not UTF-8 text.
    """
    with decompressed(path) as (file, _):
        data = file.read(_SNIFFED)
        if b"\0" not in data:  # a large binary file is never read whole
            data += file.read(UNPACKED) if is_streamed(path) else file.read()
    if is_streamed(path) and len(data) > UNPACKED:
        raise CarouselError(
            f"compressed texts and standard input may have at most {UNPACKED >> 20} MB, since they are read into "
            f"memory; {path} has more. Unpack it into a file, which stays on the disk."
        )
    return Document(name, decode(data, path))


def check_text(data: bytes, path: Path, offset: int = 0) -> None:
    """Raise CarouselError for bytes, from `offset` of a file, that cannot be UTF-8 text."""
    if offset == 0 and data.startswith(_UTF16_MARKS):
        raise CarouselError(
            f"text files must be UTF-8; {path} starts with the byte order mark of UTF-16. "
            "Convert it first: iconv -f UTF-16 -t UTF-8"
        )
    zero = data.find(b"\0")
    if zero >= 0:
        raise CarouselError(
            f"text files must be UTF-8; {path} is binary (zero byte at byte offset {offset + zero:,}). Leave it out."
        )


def decode(data: bytes, path: Path) -> str:
    """The text of a whole file, without a byte order mark; raises CarouselError as `read_document` does."""
    check_text(data, path)
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise not_utf8(path, error, len(data)) from None
    if not text:
        raise CarouselError(f"text files must not be empty; {path} holds no character. Leave it out.")
    return text


def not_utf8(path: Path, error: UnicodeDecodeError, end: int) -> CarouselError:
    """The error for bytes that are not UTF-8 and that end at this offset of a file."""
    begin, line = end - len(error.object), error.object.count(b"\n", 0, error.start) + 1
    place = f"{begin + error.start:,}" + (f" (line {line:,})" if begin == 0 else "")
    return CarouselError(
        f"text files must be UTF-8; {path} has the byte 0x{error.object[error.start]:02x} at byte offset {place}. "
        "Convert it (if Latin-1: iconv -f LATIN1 -t UTF-8) or leave it out."
    )
