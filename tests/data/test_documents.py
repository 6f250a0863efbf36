"""What is read from one file, and what is refused."""

from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import Document
from carousel.data.documents import count_characters, read_document


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(data)
    return path


def test_text_is_read_as_it_stands(tmp_path: Path) -> None:
    """Line ends are data; only a byte order mark is stripped."""
    path = written(tmp_path, "\ufeffein\r\nStück\n\n".encode())
    assert read_document(path, "x") == Document("x", "ein\r\nStück\n\n")


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"", ["must not be empty"]),
        ("\ufeff".encode(), ["must not be empty"]),
        (b"text\nand \xff byte", ["UTF-8", "0xff", "byte offset 9", "line 2"]),
        (b"a" * 9000 + b"\xc3", ["UTF-8", "0xc3", "byte offset 9,000"]),
        (b"abc\0def", ["binary", "byte offset 3"]),
        (b"a" * 10_000 + b"\0", ["binary", "byte offset 10,000"]),
        ("text".encode("utf-16"), ["UTF-16", "iconv"]),
    ],
)
def test_what_is_no_text_is_refused_with_file_and_offset(
    tmp_path: Path, data: bytes, facts: list[str]
) -> None:
    """The message states the rule, the file and the byte."""
    with pytest.raises(CarouselError) as error:
        read_document(written(tmp_path, data), "x")
    assert all(fact in str(error.value) for fact in [*facts, "file.txt"])


def test_a_file_that_cannot_be_read_is_an_error_of_the_user(tmp_path: Path) -> None:
    """No OSError escapes."""
    with pytest.raises(CarouselError, match="cannot read"):
        read_document(tmp_path / "gone.txt", "x")


def test_every_document_ends_in_one_more_character() -> None:
    """The end of a document is predicted and counted like any symbol; characters are not bytes."""
    assert count_characters([Document("a", "Stück"), Document("b", "\n")]) == 8
