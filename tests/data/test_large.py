"""Texts that stay in their files."""

import numpy as np
import pytest

from carousel import CarouselError
from carousel.data import Document, corpora, fit_vocabulary, large, load_corpus
from carousel.data import streams as stream_files
from carousel.data.large import LargeDocument
from carousel.data.streams import streams

TEXT = "the naïve cat sat\n    on  the mat π\n\n" * 40 + "the end"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    """Blocks of 37 bytes, so that characters and words lie across them; files from 1 kB on are large."""
    monkeypatch.setattr(large, "BLOCK", 37)
    monkeypatch.setattr(corpora, "LARGE", 1_000)
    monkeypatch.setenv("CAROUSEL_CACHE", str(tmp_path / "cache"))


def write(tmp_path, name="a.txt", text=TEXT, mark=b""):
    path = tmp_path / "texts" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(mark + text.encode())
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_large_document_is_the_text_of_its_file(tmp_path, mark):
    """Piece by piece it has the same characters, without a byte order mark."""
    document = LargeDocument.open(write(tmp_path, mark=mark), "a.txt")
    assert document.text == TEXT
    assert document.characters == len(TEXT)
    assert len(list(document.chunks())) > 10


@pytest.mark.parametrize("level", ["char", "word", "bpe", "token"])
def test_its_symbols_are_those_of_the_text_in_memory(tmp_path, level):
    """Vocabulary, stream and ends are the same; the stream lies in a mapped file."""
    write(tmp_path)
    write(tmp_path, "b.txt", TEXT[:700])
    found = corpora.read(tmp_path / "texts")
    assert all(isinstance(document, LargeDocument) for document in found)
    plain = [Document(document.name, document.text) for document in found]
    vocabulary = fit_vocabulary(level, found)
    assert vocabulary == fit_vocabulary(level, plain)
    (ids, ends), (expected, expected_ends) = streams(found, vocabulary), streams(plain, vocabulary)
    assert isinstance(ids, np.memmap)
    assert np.array_equal(ids, expected)
    assert np.array_equal(ends, expected_ends)


def test_one_large_file_is_split_at_line_ends(tmp_path):
    """Nothing is lost between the parts, and each begins a line."""
    split = load_corpus(write(tmp_path))
    parts = [part[0] for part in (split.train, split.valid, split.test)]
    assert all(isinstance(part, LargeDocument) for part in parts)
    assert "".join(part.text for part in parts) == TEXT
    assert all(part.text.endswith("\n") for part in parts[:2])
    assert 0.85 < parts[0].characters / len(TEXT) < 0.95


def test_one_large_line_is_split_between_characters(tmp_path):
    """Where no line ends for long, no more than a block is read to find the place, and no character is cut."""
    text = "é字x" * 1_000
    split = load_corpus(write(tmp_path, text=text))
    parts = [part[0] for part in (split.train, split.valid, split.test)]
    assert "".join(part.text for part in parts) == text
    assert [round(part.characters / len(text), 2) for part in parts] == [0.9, 0.05, 0.05]


def test_a_text_becomes_numbers_once(tmp_path, monkeypatch):
    """A second time the file is only mapped; another text or vocabulary makes another file, with progress."""
    path = write(tmp_path)
    [document] = corpora.read(path)
    vocabulary = fit_vocabulary("char", [document])
    seen = []
    streams([document], vocabulary, lambda *done: seen.append(done))
    assert seen[-1] == (len(TEXT), len(TEXT))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    kept = tmp_path / "cache" / "texts"
    names = {file.name for file in kept.iterdir()}
    assert len(names) == 2
    with monkeypatch.context() as patch:
        patch.setattr(stream_files, "_write", None)
        streams([LargeDocument.open(path, "a.txt")], vocabulary)
    path.write_text(TEXT.replace("cat", "dog"))
    streams([LargeDocument.open(path, "a.txt")], vocabulary)
    streams([document], fit_vocabulary("word", [document]))
    assert len({file.name for file in kept.iterdir()}) == 6


def test_a_torn_file_is_made_anew(tmp_path):
    """A file that is shorter than its description says, or has none, is not taken for whole."""
    [document] = corpora.read(write(tmp_path))
    vocabulary = fit_vocabulary("char", [document])
    expected = np.array(streams([document], vocabulary)[0])
    [numbers] = (tmp_path / "cache" / "texts").glob("*.i4")
    [about] = (tmp_path / "cache" / "texts").glob("*.json")
    numbers.write_bytes(numbers.read_bytes()[:-4])
    assert np.array_equal(streams([document], vocabulary)[0], expected)
    about.unlink()
    numbers.write_bytes(b"\0" * 400)
    assert np.array_equal(streams([document], vocabulary)[0], expected)


def test_what_is_no_text_is_refused_by_place(tmp_path):
    """Binary data and broken UTF-8, wherever in the file they stand."""
    path = write(tmp_path)
    path.write_bytes(TEXT.encode() + b"\0")
    with pytest.raises(CarouselError, match=f"zero byte at byte offset {len(TEXT.encode()):,}"):
        corpora.read(path)
    path.write_bytes(TEXT.encode()[:1100] + b"\xff" + TEXT.encode()[1100:])
    with pytest.raises(CarouselError, match=r"must be UTF-8; .*0xff at byte offset 1,100"):
        corpora.read(path)
