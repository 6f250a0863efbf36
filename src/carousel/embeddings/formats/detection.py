"""Which format a file has, by what stands in it and not by its name."""

from pathlib import Path

from carousel.embeddings.formats import text
from carousel.embeddings.formats.content import damaged, whole_number
from carousel.embeddings.formats.opening import HEAD
from carousel.errors import CarouselError

_FASTTEXT_MODEL = (793712314).to_bytes(4, "little")
_UTF16 = "is text in UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"
_MEANT = {  # first bytes -> why it is refused
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    _FASTTEXT_MODEL: "is a model of fastText; its vectors are in the file that ends in .vec",
    b"\x80": "looks like a pickle, which could run any program when it is read; "
    "let gensim save it again with save_word2vec_format",
}


def detect(head: bytes, path: Path) -> str:
    """The name of the format, by the first bytes; raises CarouselError for a file that is none of vectors."""
    if not head:
        raise damaged(path, "is empty")
    if head.startswith(b"PK\x03\x04"):
        return "npz"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:
        return "safetensors"
    for start, reason in _MEANT.items():
        if head.startswith(start):
            raise CarouselError(f"{path} {reason}.")
    first, _, rest = head.removeprefix(text.MARK).partition(b"\n")
    header = first.split()
    if len(header) == 2 and all(each.lstrip(b"+-").isdigit() for each in header):
        return "text" if _begins_as_text(rest, whole_number(header[1]) or 0) else "binary"
    if text.trailing_numbers(first) or len(first) == HEAD:
        return "glove"
    raise damaged(path, "is in none of the formats of word vectors")


def _begins_as_text(rest: bytes, dimension: int) -> bool:
    """Whether a word and numbers in digits follow the header; a line cut by our look is judged by what is there."""
    line, end, _ = rest.lstrip(b"\n").partition(b"\n")
    if end:
        numbers = text.trailing_numbers(line)
        return numbers >= dimension or 0 < numbers == len(text.pieces_of(line)) - 1
    pieces = text.pieces_of(line)[1:-1]
    return bool(pieces) and all(map(text.is_number, pieces))
