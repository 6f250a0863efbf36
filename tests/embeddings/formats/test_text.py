"""Text as editors, other programs and other systems leave it: read as it is meant, or refused; never misread."""

import bz2
import gzip
import lzma
import os

import numpy as np
import pytest

from carousel import CarouselError
from carousel.embeddings import Vectors
from carousel.embeddings.formats import opening

ROWS = {"a": [1, 2], "b": [3, 4]}
MARK = b"\xef\xbb\xbf"


def read(tmp_path, data: bytes, **options) -> dict[str, list[float]]:
    """The words and numbers of a file with these bytes."""
    (tmp_path / "v.txt").write_bytes(data)
    vectors = Vectors.load(tmp_path / "v.txt", **options)
    return dict(zip(vectors.words, vectors.matrix.tolist(), strict=True))


@pytest.mark.parametrize(
    "data",
    [
        MARK + b"2 2\na 1 2\nb 3 4\n",
        MARK + b"a 1 2\nb 3 4\n",
        b"2 2\r\na 1 2\r\nb 3 4\r\n",
        b"a 1 2\r\nb 3 4",
        b"2\t2\na\t1\t2\nb\t3\t4\n",
        b"a\t1 2\nb 3\t4\n",
        b"a  1 2\nb 3  4\n",
        b"2 2\na   1 2\nb 3 4 \n",
        b"2 2 \na 1 2 \t \nb 3 4  \n",
        b"2 2\n\na 1 2\n\n\nb 3 4\n\n",
        b"a 1e0 +2\nb 3.0 0.4E1\n",
    ],
)
def test_the_same_vectors_written_in_many_ways(tmp_path, data):
    """A mark of byte order, ends of lines, tabs, blanks in a row or at the end, and empty lines change nothing."""
    assert read(tmp_path, data) == ROWS


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"2 2\ncat 1 2 3\ndog 4 5 6\n", "has 3 numbers in line 2, but 2 by its first line"),
        (b"2 4\ncat 1 2 3\ndog 4 5 6\n", "has 3 numbers in line 2, but 4"),
        (b"2 2\na 1 2\nb 3 4 5\n", "has 3 numbers in line 3, but 2"),
        (b"a 1 2\nb 3 4 5\n", "has 3 numbers in line 2, but 2"),
        (b"a 1 2 3\nb 4 5\n", "has 2 numbers in line 2, but 3"),
        (b"a 1 2\nb\t3\t4\t5\n", "has 3 numbers in line 2, but 2"),
        (b"a 1 2\nb 3 nan 5\n", "has 3 numbers in line 2, but 2"),
        (b"a 1 2\n 3 4\n", "no word at the beginning of line 2"),
        (b"a 1 2\n b 3 4\n", "no word at the beginning of line 2"),
        (b"a 1 2\rb 3 4\r", "no word at the beginning of line 1"),
        (b"a 1 2\nb 1_0 4\n", "'1_0'.*where a number is due"),
        (b"a 1 2\nb 3,5 4\n", "'3,5'.*where a number is due"),
        ("2 2\na 1 2\nb 3 4\n".encode("utf-16"), "is text in UTF-16"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path, data, rule):
    """No number becomes part of a word, and no word a number."""
    with pytest.raises(CarouselError, match=rule):
        read(tmp_path, data)


def test_a_header_that_is_read_as_glove_is_refused(tmp_path):
    """format="glove" on a file with a header does not make words of the numbers."""
    with pytest.raises(CarouselError, match="has 3 numbers in line 2, but 1 by its first line"):
        read(tmp_path, b"2 3\ncat 1 2 3\ndog 4 5 6\n", format="glove")


def test_words_that_look_like_something_else(tmp_path):
    """Words with blanks, as in GloVe; words of digits; words that Python takes for numbers."""
    expected = {". . .": [1, 2], "at name@domain": [3, 4], "1e5": [5, 6], "nan": [7, 8], "1990": [9, 0]}
    lines = [f"{word} {a} {b}" for word, (a, b) in expected.items()]
    assert read(tmp_path, "\n".join(lines).encode()) == expected
    assert read(tmp_path, "\n".join([f"{len(lines)} 2", *lines]).encode()) == expected
    assert read(tmp_path, b"400000 3\ncat 5\n", format="glove") == {"400000": [3], "cat": [5]}


@pytest.mark.parametrize("format", ["text", "glove", "binary", "safetensors", "npz", "npy"])
def test_equal_words_are_told_or_the_first_is_kept(tmp_path, format):
    """A word that comes again is an error that says where both are; duplicates="first" leaves its row out."""
    path = tmp_path / "v.npy"
    vectors = Vectors(["a", "b", "ccc", "d"], [[1.0, 2], [3, 4], [5, 6], [7, 8]], [4, 3, 2, 1])
    vectors.words[2] = "a"  # as no other way leads to such a file of ours
    vectors.save(path, format=format)
    first = {"text": "line 2 and in line 4", "glove": "line 1 and in line 3", "npy": "line 1 and in line 3"}
    rule = first.get(format, "word 1 and in word 3")
    with pytest.raises(CarouselError, match=f"'a' in {rule}.*duplicates"):
        Vectors.load(path, format=format)
    for mmap in (False, True) if format in ("safetensors", "npy") else (False,):
        found = Vectors.load(path, format=format, duplicates="first", mmap=mmap)
        assert found.words == ["a", "b", "d"]
        assert found.matrix.tolist() == [[1, 2], [3, 4], [7, 8]]
        assert found.counts is None or found.counts.tolist() == [4, 3, 1]
    with pytest.raises(CarouselError, match="duplicates must be error or first; got 'last'"):
        Vectors.load(path, duplicates="last")


@pytest.mark.parametrize("format", ["text", "glove", "binary", "safetensors", "npz", "npy"])
def test_words_come_back_in_nfc(tmp_path, format):
    """A letter and its accent as two characters (NFD) are read as one (NFC), and found by both spellings."""
    path = tmp_path / "v.npy"
    vectors = Vectors(["x", "cafe"], np.eye(2))
    vectors.words[1] = "cafe\u0301"
    vectors.save(path, format=format)
    found = Vectors.load(path, format=format)
    assert found.words == ["x", "caf\u00e9"]
    assert found["cafe\u0301"].tolist() == found["caf\u00e9"].tolist() == [0, 1]


def test_both_spellings_in_one_file_are_equal_words(tmp_path):
    """NFC and NFD of one word are duplicates, told with their lines."""
    data = "caf\u00e9 1 2\ncafe\u0301 3 4\n".encode()
    with pytest.raises(CarouselError, match=r"in line 1 and in line 2"):
        read(tmp_path, data)
    assert read(tmp_path, data, duplicates="first") == {"caf\u00e9": [1, 2]}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("format", ["text", "glove", "binary"])
def test_compressed_files_are_read_as_they_are(tmp_path, pack, format):
    """Whatever the name says, and only as far as `limit` asks."""
    vectors = Vectors([f"w{k}" for k in range(300)], np.random.default_rng(0).standard_normal((300, 40)))
    vectors.save(tmp_path / "v", format=format)
    (tmp_path / "v").write_bytes(pack((tmp_path / "v").read_bytes()))
    found = Vectors.load(tmp_path / "v")
    assert found.words == vectors.words
    assert np.array_equal(found.matrix, vectors.matrix)
    assert Vectors.load(tmp_path / "v", limit=2).words == ["w0", "w1"]
    with pytest.raises(CarouselError, match=r"can be mapped into memory; .* is compressed"):
        Vectors.load(tmp_path / "v", mmap=True)


def test_gensim_reads_the_same_compressed_files(tmp_path):
    """gensim's own .gz, text and binary, opens here with every bit."""
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: no witness")
    keyed = models.KeyedVectors(3)
    keyed.add_vectors(["a", "b"], np.array([[1, 2.5, 3], [4, 5, 6e-9]], np.float32))
    for name, binary in (("v.txt.gz", False), ("v.bin.gz", True)):
        keyed.save_word2vec_format(str(tmp_path / name), binary=binary)
        found = Vectors.load(tmp_path / name)
        assert found.words == ["a", "b"]
        assert np.array_equal(found.matrix, keyed.vectors)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_broken_or_endless_archive_is_refused(tmp_path, monkeypatch, pack):
    """One that is cut, one that unfolds to far more than vectors can, and one of a format that needs a whole file."""
    path = tmp_path / "v.gz"
    rng = np.random.default_rng(0)
    packed = pack(b"".join(b"w%d %r\n" % (k, rng.random()) for k in range(9000)))
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(CarouselError, match="cannot be unpacked"):
        Vectors.load(path)
    monkeypatch.setattr(opening, "_SMALL", 10_000)
    path.write_bytes(pack(b"a 1 2\n" * 200_000))
    with pytest.raises(CarouselError, match=r"expands to more than .* bytes, which is refused"):
        Vectors.load(path, duplicates="first")
    Vectors(["a"], [[1.0]]).save(tmp_path / "v.npz")
    path.write_bytes(pack((tmp_path / "v.npz").read_bytes()))
    with pytest.raises(CarouselError, match=r"is compressed npz.*Unpack it first"):
        Vectors.load(path)


def test_what_is_no_regular_file_is_refused(tmp_path):
    """A device without end and a pipe that nobody writes to are refused at once, through links too."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "zero", "/dev/zero", "/dev/null"):
        with pytest.raises(CarouselError, match="is no regular file"):
            Vectors.load(path)
    with pytest.raises(CarouselError, match="is a folder"):
        Vectors.load(tmp_path)
    for strange in ("a\0b", "x" * 5000):
        with pytest.raises(CarouselError, match="does not exist") as caught:
            Vectors.load(strange)
        assert len(str(caught.value)) < 200
