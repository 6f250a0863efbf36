"""Texts that are packed, and texts from standard input."""

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import documents, load_corpus, read

TEXT = "the naïve cat sat\n" * 50
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKED)
def test_packed_files_are_read_as_what_they_hold(tmp_path: Path, suffix: str) -> None:
    """Named or found in a folder, and split by their names like others."""
    for part in ("train", "test"):
        (tmp_path / f"ptb.{part}.txt{suffix}").write_bytes(PACKED[suffix]((TEXT + part).encode()))
    assert [each.text for each in read(tmp_path)] == [TEXT + "test", TEXT + "train"]
    assert load_corpus(tmp_path).test[0].text == TEXT + "test"


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_file_is_told_by_name(tmp_path: Path, suffix: str, damage: str) -> None:
    """Cut short, or packed by nothing: an error that names the file, no traceback."""
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACKED[suffix](TEXT.encode())[:-20] if damage == "cut" else b"plain text " * 9)
    with pytest.raises(CarouselError, match=rf"cannot read .*a\.txt\{suffix}"):
        read(path)


def test_what_unpacks_to_more_than_memory_should_hold_is_refused(tmp_path: Path, monkeypatch) -> None:
    """A small file may unpack to gigabytes; it is read no farther than the limit."""
    monkeypatch.setattr(documents, "UNPACKED", 10_000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a" * 1_000_000))
    with pytest.raises(CarouselError, match="Unpack it into a file"):
        read(tmp_path / "a.gz")


def test_standard_input_is_a_text(monkeypatch) -> None:
    """The path - is what is piped in; a terminal is refused instead of waiting for it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    parts = load_corpus("-")
    assert "".join(each.text for part in (parts.train, parts.valid, parts.test) for each in part) == TEXT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(CarouselError, match="must not be empty; -"):
        read("-")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(CarouselError, match="is a terminal"):
        read("-")
