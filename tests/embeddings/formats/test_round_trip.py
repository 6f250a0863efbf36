"""What is saved is what is loaded, in every format; what a format cannot hold is refused."""

import doctest

import numpy as np
import pytest

from carousel import CarouselError, atomic
from carousel.embeddings import Vectors
from carousel.embeddings.formats import FORMATS

NAMES = {"text": "v.txt", "glove": "v.txt", "binary": "v.bin", "safetensors": "v.safetensors"} | {
    "npz": "v.npz",
    "npy": "v.npy",
}
WITH_COUNTS = ("safetensors", "npz", "npy")
MAPPED = ("safetensors", "npy")
ANY_WORD = ("safetensors", "npz")


def test_examples():
    """The examples of the writer underneath run."""
    assert doctest.testmod(atomic).failed == 0


@pytest.fixture(params=FORMATS)
def name(request):
    """Each format."""
    return request.param


def test_round_trip(drawn, name, tmp_path):
    """Words in their order, every bit of every number, counts where the format has a place for them."""
    drawn.save(tmp_path / NAMES[name], format=name)
    back = Vectors.load(tmp_path / NAMES[name])
    assert back.words == drawn.words
    assert np.array_equal(back.matrix, drawn.matrix)
    assert back.matrix.dtype == np.float32
    if name in WITH_COUNTS:
        assert back.counts.tolist() == drawn.counts.tolist()
    else:
        assert back.counts is None


def test_without_counts(drawn, name, tmp_path):
    """What was not counted comes back uncounted."""
    Vectors(drawn.words, drawn.matrix).save(tmp_path / NAMES[name], format=name)
    assert Vectors.load(tmp_path / NAMES[name]).counts is None


def test_one_word_of_one_number(name, tmp_path):
    """The smallest there is."""
    Vectors(["a"], np.array([[0.5]])).save(tmp_path / NAMES[name], format=name)
    back = Vectors.load(tmp_path / NAMES[name])
    assert (back.words, back.matrix.tolist()) == (["a"], [[0.5]])


def test_the_first_words_alone(drawn, name, tmp_path):
    """A limit reads the first words, with their counts, and may be larger than the file."""
    drawn.save(tmp_path / NAMES[name], format=name)
    some = Vectors.load(tmp_path / NAMES[name], limit=7)
    assert some.words == drawn.words[:7]
    assert np.array_equal(some.matrix, drawn.matrix[:7])
    assert some.counts is None or some.counts.tolist() == drawn.counts[:7].tolist()
    assert len(Vectors.load(tmp_path / NAMES[name], limit=10_000)) == len(drawn)


def test_mapped(drawn, name, tmp_path):
    """Formats of one block are mapped and answer alike; the others say how to be converted."""
    drawn.save(tmp_path / NAMES[name], format=name)
    if name not in MAPPED:
        with pytest.raises(CarouselError, match=r"can be mapped.*carousel embed convert"):
            Vectors.load(tmp_path / NAMES[name], mmap=True)
        return
    mapped = Vectors.load(tmp_path / NAMES[name], mmap=True)
    assert isinstance(mapped.matrix, np.memmap)
    assert isinstance(mapped.restricted(5).matrix, np.memmap)
    assert mapped.nearest("w5") == drawn.nearest("w5")


def test_a_read_matrix_is_free_of_its_file(drawn, name, tmp_path):
    """Without mmap the matrix is the reader's own: writable, and unchanged when the file is replaced."""
    path = tmp_path / NAMES[name]
    drawn.save(path, format=name)
    back = Vectors.load(path)
    Vectors(drawn.words, -drawn.matrix).save(path, format=name)
    assert np.array_equal(back.matrix, drawn.matrix)
    back.matrix[0] = 0


@pytest.mark.parametrize("word", ["new york", "a\tb", "line\nend", "", "zero\0byte"])
def test_any_word(word, name, tmp_path):
    """A word comes back as it was, or is refused: never another one."""
    vectors = Vectors(["a", word, "b"], np.eye(3))
    path = tmp_path / NAMES[name]
    holds = name in ANY_WORD or word == "zero\0byte" or (name == "binary" and word == "a\tb")
    if holds:
        vectors.save(path, format=name)
        assert Vectors.load(path).words == ["a", word, "b"]
        return
    with pytest.raises(CarouselError, match="must have no blanks or line ends"):
        vectors.save(path, format=name)
    assert not path.exists()


def test_words_that_are_no_unicode(name, tmp_path):
    """A lone surrogate cannot be written anywhere."""
    with pytest.raises(CarouselError, match="valid Unicode"):
        Vectors(["\ud800"], np.eye(1)).save(tmp_path / NAMES[name], format=name)


def test_odd_bytes_are_told_and_can_be_taken(tmp_path):
    """Words that are not UTF-8 are refused with the way to read them, which then keeps them apart."""
    path = tmp_path / "v.txt"
    path.write_bytes(b"2 1\ncaf\xe9 1\ncaf\xe8 2\n")
    with pytest.raises(CarouselError, match=r"words must be UTF-8.*line 2.*errors=\"backslashreplace\""):
        Vectors.load(path)
    assert Vectors.load(path, errors="backslashreplace").words == ["caf\\xe9", "caf\\xe8"]


def test_glove_has_words_with_blanks(tmp_path):
    """Numbers are counted from the right."""
    (tmp_path / "g.txt").write_text("the 1 2\n. . . 3 4\n1990 5 6\n")
    assert Vectors.load(tmp_path / "g.txt").words == ["the", ". . .", "1990"]


def test_lines_of_windows(tmp_path):
    """A carriage return is no part of a number, an empty line at the end no word."""
    (tmp_path / "v.txt").write_bytes(b"2 2\r\na 1 2\r\nb 3 4\r\n\r\n")
    back = Vectors.load(tmp_path / "v.txt")
    assert (back.words, back.matrix.tolist()) == (["a", "b"], [[1, 2], [3, 4]])


def test_a_last_line_without_an_end(tmp_path):
    """The last line end may be missing."""
    (tmp_path / "v.txt").write_bytes(b"2 2\na 1 2\nb 3 4")
    assert Vectors.load(tmp_path / "v.txt").words == ["a", "b"]


def test_numpy_opens_ours(drawn, tmp_path):
    """An .npz needs no Carousel: words, matrix and counts by name, and no pickle."""
    drawn.save(tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as file:
        assert file["words"].tolist() == drawn.words
        assert np.array_equal(file["matrix"], drawn.matrix)
        assert np.array_equal(file["counts"], drawn.counts)


def test_a_compressed_archive(drawn, tmp_path):
    """`numpy.savez_compressed` is read as well, and other types of numbers become float32."""
    np.savez_compressed(
        tmp_path / "v.npz", words=np.array(drawn.words), matrix=drawn.matrix.astype(np.float64)
    )
    assert np.array_equal(Vectors.load(tmp_path / "v.npz").matrix, drawn.matrix)


def test_safetensors_opens_ours(drawn, tmp_path):
    """The library reads each tensor, and each lies where its type wants to lie."""
    from safetensors.numpy import load_file

    drawn.save(tmp_path / "v.safetensors")
    tensors = load_file(tmp_path / "v.safetensors")
    assert np.array_equal(tensors["matrix"], drawn.matrix)
    assert tensors["words"].tobytes().decode() == "".join(drawn.words)
    mapped = Vectors.load(tmp_path / "v.safetensors", mmap=True)
    assert mapped.matrix.flags.aligned


def test_equal_vectors_give_equal_bytes(drawn, name, tmp_path):
    """No clock and no order of chance in a file."""
    one, two = tmp_path / f"one{NAMES[name][1:]}", tmp_path / f"two{NAMES[name][1:]}"
    drawn.save(one, format=name)
    drawn.save(two, format=name)
    assert one.read_bytes() == two.read_bytes()


def test_nothing_is_left_half(drawn, name, tmp_path, monkeypatch):
    """A disk that fills up in the middle leaves the old file whole and no temporary one."""
    path = tmp_path / NAMES[name]
    drawn.save(path, format=name)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CarouselError, match=r"could not be written: No space left.*is whole"):
        Vectors(drawn.words, -drawn.matrix).save(path, format=name)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_an_ending_that_says_nothing(drawn, tmp_path):
    """The endings there are, and the names of formats."""
    with pytest.raises(CarouselError, match=r"\.txt, \.vec, .*got v\.pkl.*name a format: text, glove"):
        drawn.save(tmp_path / "v.pkl")
    with pytest.raises(CarouselError, match="format must be one of text, glove"):
        drawn.save(tmp_path / "v", format="pickle")
