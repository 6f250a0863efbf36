"""Files that lie, break off or mean harm: one clear error each, little memory, and nothing is executed."""

import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carousel import CarouselError
from carousel.embeddings import Vectors
from carousel.embeddings.formats import FORMATS
from carousel.embeddings.normalization import nfc
from tests.embeddings.formats.test_round_trip import NAMES

MEMORY = 32 << 20  # bytes that refusing a file of a few hundred may take
SMALL = Vectors(["a", "bb", "ccc"], np.array([[1, 2], [3, 4], [5, 6.5]]), [3, 2, 1])
FUZZED = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refused(path: Path, rule: str, **options) -> None:
    """Loading fails with that message, and asks for little memory before."""
    tracemalloc.start()
    try:
        with pytest.raises(CarouselError, match=rule) as caught:
            Vectors.load(path, **options)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert str(path.name).partition(".")[0] in str(caught.value)


ROW = b"a 1 2\n"
FLOATS = np.ones(2, np.float32).tobytes()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "is empty"),
        (b"\n", "none of the formats"),
        (b"hello\n", "none of the formats"),
        (b"\x00" * 5000, "none of the formats"),
        (b"\xff" * 100_000, "does not end|none of the formats|no word"),
        (b"-1 2\n" + ROW, "line of two counts"),
        (b"0 2\n", "line of two counts"),
        (b"2 0\n", "line of two counts"),
        (b"3 2\n" + ROW, "claims 3 words.*ends after 1|claims 3 words of 2 numbers"),
        (b"1 2\n" + ROW + b"b 3 4\n", "claims 1 words.*goes on"),
        (b"999999999999 300\n" + ROW, "claims 999,999,999,999 words of 300 numbers"),
        (b"1 999999999999999999\n" + ROW, "claims 1 words of 999,999,999,999,999,999 numbers"),
        (b"9" * 30 + b" 2\n" + ROW, "two counts"),
        (b"2 2\na 1 2\nb 1\n", "has 1 numbers in line 3, but 2"),
        (b"2 2\na 1 2\nb x 3\n", "'x'.*where a number is due"),
        (b"2 2\na 1 2\nb nan 3\n", "that of 'b' holds NaN"),
        (b"1 2\na nan 3\n", "that of 'a' holds NaN"),
        (b"2 2\na 1 2\nb inf 3\n", "holds NaN or infinity"),
        (b"2 2\na 1 2\nb 1e39 3\n", "holds NaN or infinity"),
        (b"2 2\na 1 2\na 3 4\n", "'a' in line 2 and in line 3.*duplicates"),
        (b"a 1 2\nb 3\n", "has 1 numbers in line 2, but 2"),
        (b"a 1 2\na 3 4\n", "'a' in line 1 and in line 2"),
        (b"a 1 2\nb " + b"1" * (5 << 20), "line 2 that does not end"),
        (b"2 2\na " + FLOATS, "cannot hold them"),
        (b"2 2\na " + FLOATS + b"b" * 12, "ends in the middle of word 2"),
        (b"2 2\na " + FLOATS + b" " + FLOATS + b"x", "empty word 2"),
        (b"2 2\na " + FLOATS + b"b" * 20_000 + b" " + FLOATS, "no end to word 2"),
        (b"1 2\na " + FLOATS + b"\nmore", "goes on after them"),
        (b"1 2\na " + np.array([1, np.nan], np.float32).tobytes(), "that of 'a' holds NaN"),
        (b"1 2\n\xff " + FLOATS, "must be UTF-8"),
        (b"4000000000 4000000000\na " + FLOATS, "bytes cannot hold them"),
        (b"\x1f\x8b\x08rest", "cannot be unpacked"),
        (b"\xba\x16\x4f\x2frest", "model of fastText; load its vectors from the file that ends in .vec"),
    ],
)
def test_text_and_binary(data, rule, tmp_path):
    """Headers and rows that break the rules of word2vec and GloVe."""
    (tmp_path / "hostile.x").write_bytes(data)
    refused(tmp_path / "hostile.x", rule)


class Bomb:
    """What pickle would run."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    """A pickle, a .npy and a .npz of objects are refused unread."""
    monkeypatch.chdir(tmp_path)
    Path("p.kv").write_bytes(pickle.dumps({"vectors": Bomb()}))
    np.save("p.npy", np.array([Bomb()], object), allow_pickle=True)
    Path("p.vocab").write_text("a\n")
    np.savez("p.npz", words=np.array([Bomb()], object), matrix=np.ones((1, 1)))
    refused(Path("p.kv"), "can execute any program")
    refused(Path("p.npy"), "not numbers or text")
    refused(Path("p.npz"), "not numbers or text")
    assert not Path("exploded").exists()


def npy(shape: str, dtype: str = "<f4", data: bytes = b"\0" * 16, order: str = "False") -> bytes:
    """The bytes of a .npy whose header claims anything."""
    header = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}"
    header += " " * (118 - len(header)) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


NPY = [
    (npy("(2, 9)"), "claims numbers of shape"),
    (npy("(99999999999, 300)"), "claims numbers"),
    (npy("(10**9, 10**9)"), "none of NumPy's"),
    (npy("(-2, 2)"), "not numbers or text"),
    (npy("(4,)"), "claims numbers"),
    (npy("()", data=b"\0" * 4), "claims numbers"),
    (npy("(2, 2)", order="True"), "by rows"),
    (npy("(2, 2)", dtype="|O"), "not numbers or text"),
    (npy("(2, 2)", dtype="<f4)"), "none of NumPy's"),
    (npy("(2, 2)")[:60], "none of NumPy's"),
    (b"\x93NUMPY\x09\x00" + b"\0" * 90, "none of NumPy's"),
    (npy("(0, 2)", data=b""), "has 2 words|n and d at least 1"),
]


@pytest.mark.parametrize(("data", "rule"), NPY)
@pytest.mark.parametrize("mmap", [False, True])
def test_npy(data, rule, mmap, tmp_path):
    """Headers of .npy that claim what is not there."""
    (tmp_path / "h.npy").write_bytes(data)
    (tmp_path / "h.vocab").write_text("a\nb\n")
    refused(tmp_path / "h.npy", rule, mmap=mmap)


@pytest.mark.parametrize(
    ("vocab", "rule"),
    [
        (None, "must be in the folder of the .npy"),
        ("a\n", "has 1 words, but h.npy 2 rows"),
        ("a\nb\nc\n", "has 3 words"),
        ("a 1\nb\n", "counts for some"),
        ("a 1\nb c\n", "line 2 something else"),
        ("a 1\n\n", "line 2 something else"),
        ("a\na\n", "'a' in line 1 and in line 2"),
        (b"a\n\xff\n", "must be UTF-8"),
    ],
)
def test_the_words_beside_a_npy(vocab, rule, tmp_path):
    """A list of words that does not fit its matrix."""
    np.save(tmp_path / "h.npy", np.ones((2, 2), np.float32))
    if vocab is not None:
        (tmp_path / "h.vocab").write_bytes(vocab if isinstance(vocab, bytes) else vocab.encode())
    refused(tmp_path / "h.npy", rule)


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The bytes of a zip."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return held.getvalue()


WORDS = npy("(2,)", "<U2")
ZEROS = npy("(1, 16777216)", data=bytes(1 << 26))
MATRIX = npy("(2, 2)")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (archive({}) + b"PK\x03\x04", "not a whole archive|none of the formats|no array"),
        (archive({"matrix.npy": MATRIX}), "no array 'words'"),
        (archive({"words.npy": WORDS}), "no array 'matrix'"),
        (archive({"words.npy": WORDS, "matrix.npy": npy("(2, 99)")}), "claims 'matrix' of shape"),
        (archive({"words.npy": npy("(3,)", "<U2"), "matrix.npy": MATRIX}), "claims 'words' of shape"),
        (archive({"words.npy": npy("(4,)"), "matrix.npy": MATRIX}), "words .n. as text"),
        (archive({"words.npy": npy("(1,)", "<U4"), "matrix.npy": MATRIX}), "words .n. as text"),
        (archive({"words.npy": WORDS, "matrix.npy": npy("(2, 2)", "|O")}), "not numbers or text"),
        (
            archive({"words.npy": WORDS, "matrix.npy": ZEROS}, zipfile.ZIP_DEFLATED),
            "expands to 67,1.* bytes, which is refused",
        ),
    ],
)  # fmt: skip
def test_npz(data, rule, tmp_path):
    """Archives that lack, contradict or would unfold without end."""
    (tmp_path / "h.npz").write_bytes(data)
    refused(tmp_path / "h.npz", rule)


def tensors(header: dict, data: bytes) -> bytes:
    """The bytes of a safetensors file."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def described(kind: str = "word vectors", version: object = 1, **changes) -> dict:
    """A sound header for two words of one number, with changes."""
    about = json.dumps({"kind": kind, "version": version, "checksum": 0})
    header = {
        "__metadata__": {"carousel": about},
        "ends": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
        "matrix": {"dtype": "F32", "shape": [2, 1], "data_offsets": [16, 24]},
        "words": {"dtype": "U8", "shape": [2], "data_offsets": [24, 26]},
    }
    return {name: value for name, value in (header | changes).items() if value is not None}


ONE = {"dtype": "F32", "shape": [2, 1], "data_offsets": [16, 24]}
DATA = np.array([1, 2]).tobytes() + np.ones(2, np.float32).tobytes() + b"ab"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (tensors(described(), DATA), "checksum that does not fit"),
        (tensors(described(), DATA[:-1]), "not a whole safetensors file"),
        (tensors(described(kind="language model"), DATA), "must hold word vectors .*holds 'language model'"),
        (tensors(described(__metadata__={"x": "y"}), DATA), "holds something else"),
        (tensors(described(version=2), DATA), "format version 2.*Upgrade"),
        (tensors(described(version="1"), DATA), "format version '1'"),
        (tensors(described(), np.array([2, 1]).tobytes() + DATA[16:]), "words that do not fit"),
        (tensors(described(), np.array([-1, 2]).tobytes() + DATA[16:]), "words that do not fit"),
        (tensors(described(), np.array([1, 1 << 60]).tobytes() + DATA[16:]), "words that do not fit"),
        (
            tensors(described(matrix={"dtype": "I32", "shape": [2, 1], "data_offsets": [16, 24]}), DATA),
            "'matrix' as I32, not F32",
        ),
        (
            tensors(described(matrix={"dtype": "F32", "shape": [2], "data_offsets": [16, 24]}), DATA),
            "words that do not fit",
        ),
        (
            tensors(described(matrix={"dtype": "F32", "shape": [], "data_offsets": [16, 20]},
                              words={"dtype": "U8", "shape": [6], "data_offsets": [20, 26]}), DATA),
            "words that do not fit",
        ),
        (
            tensors(described(matrix={"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [16, 24]}), DATA),
            "not a whole safetensors file",
        ),
        (
            tensors(described(matrix={"dtype": "F32", "shape": [-2, -1], "data_offsets": [16, 24]}), DATA),
            "not a whole safetensors file",
        ),
        (
            tensors(described(words=None, matrix=ONE), DATA[:24]),
            "no tensor words",
        ),
        (b"\xff" * 4 + b"\0" * 4 + b"{}", "not a whole safetensors file"),
        (tensors(described(__metadata__={"carousel": "[" * 100_000}), DATA), "holds something else"),
    ],
)  # fmt: skip
def test_safetensors(data, rule, tmp_path):
    """Headers, offsets and descriptions that lie."""
    (tmp_path / "h.safetensors").write_bytes(data)
    refused(tmp_path / "h.safetensors", rule)


def test_counts_of_another_shape(tmp_path):
    """A map is not held against its checksum, but its counts against its words."""
    header = described(
        counts={"dtype": "I64", "shape": [], "data_offsets": [16, 24]},
        matrix={"dtype": "F32", "shape": [2, 1], "data_offsets": [24, 32]},
        words={"dtype": "U8", "shape": [2], "data_offsets": [32, 34]},
    )
    (tmp_path / "c.safetensors").write_bytes(tensors(header, DATA[:16] + bytes(8) + DATA[16:]))
    with pytest.raises(CarouselError, match="counts that do not fit"):
        Vectors.load(tmp_path / "c.safetensors", mmap=True)


@pytest.mark.parametrize("ending", ["npy", "safetensors"])
def test_nan_in_a_map_shows_when_it_is_asked(tmp_path, ending):
    """A map is not read through when opened; the first question finds what is not finite, and names its word."""
    path = tmp_path / f"h.{ending}"
    Vectors(["a", "b", "c"], np.arange(6.0).reshape(3, 2)).save(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(np.float32(3).tobytes(), np.float32("nan").tobytes()))
    mapped = Vectors.load(path, mmap=True)
    with pytest.raises(CarouselError, match="that of 'b' holds NaN"):
        mapped.nearest("a")


@pytest.fixture(params=FORMATS)
def sound(request, tmp_path) -> Path:
    """A sound file of each format."""
    path = tmp_path / NAMES[request.param]
    SMALL.save(path, format=request.param)
    return path


def opens_or_is_refused(path: Path, **options) -> None:
    """Whatever the bytes: vectors that can be asked, or one CarouselError, in little memory."""
    tracemalloc.start()
    try:
        vectors = Vectors.load(path, **options)
        assert len(vectors) == len(vectors.matrix) > 0
    except CarouselError:
        pass
    finally:
        assert tracemalloc.get_traced_memory()[1] < MEMORY
        tracemalloc.stop()


@FUZZED
@given(data=st.data())
def test_any_change_of_a_sound_file(sound, data):
    """Bytes changed, taken out, put in and cut off at the end."""
    whole = bytearray(sound.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(whole) - 1)))
        new = data.draw(st.binary(max_size=9) | st.sampled_from([b"9" * 9, b" ", b"\n", b"\xff" * 8, b"-1"]))
        whole[at : at + data.draw(st.integers(0, 9))] = new
    broken = sound.with_name(f"broken{sound.suffix}")
    broken.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    if sound.suffix == ".npy":
        broken.with_suffix(".vocab").write_bytes(sound.with_suffix(".vocab").read_bytes())
    opens_or_is_refused(broken, mmap=False)
    if sound.suffix in (".npy", ".safetensors"):
        opens_or_is_refused(broken, mmap=True)


@FUZZED
@given(
    start=st.sampled_from(
        [b"", b"2 2\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x20\0\0\0\0\0\0\0{", b"a 1\n"]
    ),
    rest=st.binary(max_size=300),
    name=st.sampled_from([None, *FORMATS]),
)
def test_any_bytes(tmp_path, start, rest, name):
    """Bytes by chance, read as what they look like and as each format by name."""
    path = tmp_path / "any.npy"
    path.with_suffix(".vocab").write_text("a\nb\n")
    path.write_bytes(start + rest)
    opens_or_is_refused(path, format=name)


@FUZZED
@given(
    words=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8, unique_by=nfc),
    name=st.sampled_from([*FORMATS]),
)
def test_any_words_come_back_or_are_refused(tmp_path, words, name):
    """No word, which is in NFC, is ever changed by a file."""
    vectors = Vectors(words, np.arange(3.0 * len(words)).reshape(-1, 3))
    path = tmp_path / NAMES[name]
    try:
        vectors.save(path, format=name)
    except CarouselError:
        return
    back = Vectors.load(path, format=name)
    assert back.words == vectors.words
    assert np.array_equal(back.matrix, vectors.matrix)


def test_not_a_file(tmp_path):
    """Missing, a folder, and options that mean nothing."""
    refused(tmp_path / "no.vec", "does not exist")
    refused(tmp_path, "is a folder")
    SMALL.save(tmp_path / "v.txt")
    with pytest.raises(CarouselError, match="limit must be at least 1"):
        Vectors.load(tmp_path / "v.txt", limit=0)
    with pytest.raises(CarouselError, match="errors must be strict, backslashreplace"):
        Vectors.load(tmp_path / "v.txt", errors="loose")


def test_an_archive_whose_names_are_no_text_is_told(tmp_path):
    """A member marked as UTF-8 whose name is not: an error of ours, not Python's."""
    path = tmp_path / "v.npz"
    Vectors(["a", "b"], np.eye(2, dtype=np.float32)).save(path)
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x03\x04")
    data[start + 7] |= 0x08  # the flag that says UTF-8, in the local header alone
    data[start + 30] = 0xA4
    path.write_bytes(data)
    with pytest.raises(CarouselError, match="whole archive"):
        Vectors.load(path)
