"""Files of gensim and fastText open here, and ours open there: words and every bit of the numbers."""

import numpy as np
import pytest

from carousel.embeddings import Vectors

WORDS = ["</s>", "the", "café", "日本", "a_b", "1990", "0.5", "-", "\N{NO-BREAK SPACE}x", "naïve\u2028"]


@pytest.fixture
def some() -> Vectors:
    """Words of many alphabets and numbers of many sizes, none of them short in decimals."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((len(WORDS), 7)) * 10.0 ** rng.integers(-20, 20, (len(WORDS), 7))
    return Vectors(WORDS, matrix)


@pytest.fixture
def gensim():
    """gensim's models."""
    return pytest.importorskip("gensim.models", reason="gensim is not installed: no witness for the formats")


def assert_same(one, other):
    assert one.words == other.words
    assert np.array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_opens_ours(some, gensim, tmp_path, binary):
    """word2vec text and binary that we wrote, read by gensim."""
    path = tmp_path / ("v.bin" if binary else "v.txt")
    some.save(path)
    theirs = gensim.KeyedVectors.load_word2vec_format(path, binary=binary)
    assert theirs.index_to_key == some.words
    assert np.array_equal(theirs.vectors, some.matrix)


@pytest.mark.parametrize(("binary", "header"), [(False, True), (False, False), (True, True)])
def test_we_open_those_of_gensim(some, gensim, tmp_path, binary, header):
    """Text with and without a header, and binary, written by gensim."""
    keyed = gensim.KeyedVectors(7)
    keyed.add_vectors(some.words, some.matrix)
    keyed.save_word2vec_format(tmp_path / "v", binary=binary, write_header=header)
    assert_same(Vectors.load(tmp_path / "v"), some)


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # theirs
def test_gensim_opens_our_glove(some, gensim, tmp_path):
    """Text without a header."""
    some.save(tmp_path / "v.txt", format="glove")
    theirs = gensim.KeyedVectors.load_word2vec_format(tmp_path / "v.txt", no_header=True)
    assert theirs.index_to_key == some.words
    assert np.array_equal(theirs.vectors, some.matrix)


def test_we_open_those_of_fasttext(tmp_path):
    """A .vec as fastText's own program writes it: a blank ends each line."""
    fasttext = pytest.importorskip("fasttext", reason="fastText is not installed: no witness for its files")
    (tmp_path / "text").write_text("one two three four five\n" * 50)
    model = fasttext.train_unsupervised(
        str(tmp_path / "text"), dim=5, minCount=1, epoch=1, thread=1, verbose=0
    )
    lines = [f"{len(model.words)} 5"]
    for word in model.words:
        lines.append(" ".join([word, *(f"{x:.5g}" for x in model[word])]) + " ")
    (tmp_path / "v.vec").write_text("\n".join(lines) + "\n")
    ours = Vectors.load(tmp_path / "v.vec")
    assert ours.words == model.words
    np.testing.assert_allclose(ours.matrix, [model[word] for word in model.words], rtol=1e-4)


def test_word2vec_ends_rows_with_a_line_end(some, tmp_path):
    """The binary of word2vec's own program: a line end after each row, and the next word after it."""
    rows = [
        word.encode() + b" " + row.tobytes() + b"\n"
        for word, row in zip(some.words, some.matrix, strict=True)
    ]
    (tmp_path / "v.bin").write_bytes(b"%d 7\n" % len(rows) + b"".join(rows))
    assert_same(Vectors.load(tmp_path / "v.bin"), some)
