"""Vectors asked by word: gensim is the witness for every number."""

import doctest

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES

from carousel import CarouselError
from carousel.embeddings import Vectors, neighbours, normalization, spelling

CLOSE = dict(zip(("rtol", "atol"), TOLERANCES[torch.float32], strict=True))


@pytest.fixture
def witness(drawn):
    """The same vectors in gensim."""
    gensim = pytest.importorskip(
        "gensim.models", reason="gensim is not installed: no witness for the numbers"
    )
    keyed = gensim.KeyedVectors(drawn.dimension)
    keyed.add_vectors(drawn.words, drawn.matrix)
    return keyed


OLD_NAME = pytest.mark.filterwarnings(
    "ignore:Call to deprecated `init_sims`"
)  # gensim calls its own old name


def assert_same(found, expected):
    """The same words in the same order, with the same numbers."""
    assert [each.word for each in found] == [word for word, _ in expected]
    np.testing.assert_allclose([each.similarity for each in found], [value for _, value in expected], **CLOSE)


@pytest.mark.parametrize("module", [spelling, normalization], ids=lambda module: module.__name__)
def test_examples(module):
    """The examples in the docstrings run."""
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("positive", "negative"),
    [(["w3"], []), (["w3", "w7"], []), (["w3", "w7"], ["w11"]), (["w3"], ["w1", "w2"]), ([], ["w5"])],
)
def test_nearest_is_that_of_gensim(drawn, witness, positive, negative):
    """3CosAdd: words and cosines of gensim's most_similar, with every mixture of signs."""
    assert_same(drawn.nearest(positive, negative, top=17), witness.most_similar(positive, negative, topn=17))


@OLD_NAME
@pytest.mark.parametrize(("positive", "negative"), [(["w3", "w7"], ["w11"]), (["w1", "w2"], ["w3", "w4"])])
def test_cosmul_is_that_of_gensim(drawn, witness, positive, negative):
    """3CosMul: words and scores of gensim's most_similar_cosmul."""
    found = drawn.nearest(positive, negative, top=9, method="3cosmul")
    assert_same(found, witness.most_similar_cosmul(positive, negative, topn=9))


def test_restricting_is_that_of_gensim(drawn, witness):
    """Only the first words answer, though any may be asked."""
    assert_same(
        drawn.nearest("w200", top=5, restrict=50), witness.most_similar("w200", topn=5, restrict_vocab=50)
    )


def test_the_nearest_among_some_words(drawn, witness):
    """Only the words of `among` answer, in gensim's order of similarity; those of the question are left out."""
    some = ["w7", "w250", "w3", "w99", "w3", "w200"]
    expected = sorted(((witness.similarity("w3", word), word) for word in set(some) - {"w3"}), reverse=True)
    found = drawn.nearest("w3", among=some)
    assert [each.word for each in found] == [word for _, word in expected]
    np.testing.assert_allclose([each.similarity for each in found], [score for score, _ in expected], **CLOSE)
    assert found[0].word == witness.most_similar_to_given("w3", some[:2] + some[3:4] + some[5:])
    assert_same(drawn.nearest_each(["w3", "w8"], among=some)[0], [tuple(each) for each in found])
    assert [each.word for each in drawn.nearest("w3", among=some, restrict=100)] == [
        word for _, word in expected if word in ("w7", "w99")
    ]
    given = drawn.analogy("w1", "w2", "w3", among=["w9", "w4"], method="3cosmul")
    everywhere = drawn.analogy("w1", "w2", "w3", top=300, method="3cosmul")
    assert_same(given, [tuple(each) for each in everywhere if each.word in ("w9", "w4")])
    assert drawn.nearest("w3", among=["w3"]) == []
    assert drawn.nearest("w3", among=[]) == []
    with pytest.raises(CarouselError, match="'wx' is not among the 300 words"):
        drawn.nearest("w3", among=["w1", "wx"])
    with pytest.raises(CarouselError, match="among must be a list of words; got 'w1'"):
        drawn.nearest("w3", among="w1")


def test_both_spellings_of_an_accent_are_one_word():
    """Words are kept and looked up in NFC; two that differ in that alone are equal."""
    vectors = Vectors(["cafe\u0301", "x"], np.eye(2))
    assert vectors.words == ["caf\u00e9", "x"]
    assert "cafe\u0301" in vectors
    assert "caf\u00e9" in vectors
    assert vectors.similarity("cafe\u0301", "caf\u00e9") == 1
    with pytest.raises(CarouselError, match=r"different in NFC.*more than once"):
        Vectors(["cafe\u0301", "caf\u00e9"], np.eye(2))


def test_a_long_word_is_told_in_short(drawn):
    """An error never prints all of what was asked."""
    for asked in ("x" * 10**6, ["y" * 10**6]):
        with pytest.raises(CarouselError) as caught:
            drawn.nearest(asked)
        assert len(str(caught.value)) < 300


def test_a_vector_may_ask(drawn, witness):
    """A vector stands for a word, and then nothing is left out."""
    query = drawn["w3"] * 7
    assert_same(drawn.nearest(query, top=4), witness.similar_by_vector(query, topn=4))
    assert drawn.nearest(query, top=1)[0].word == "w3"


def test_similarity_is_that_of_gensim(drawn, witness):
    """Cosines of pairs."""
    pairs = [("w1", "w2"), ("w4", "w4"), ("w9", "w250")]
    np.testing.assert_allclose(
        [drawn.similarity(*pair) for pair in pairs], [witness.similarity(*pair) for pair in pairs], **CLOSE
    )


def test_the_odd_one_is_that_of_gensim(drawn, witness):
    """Many draws of some words: the same odd one each time."""
    rng = np.random.default_rng(1)
    for size in rng.integers(3, 9, 40):
        words = [drawn.words[k] for k in rng.choice(len(drawn), size, replace=False)]
        assert drawn.odd_one_out(words) == witness.doesnt_match(words)


@OLD_NAME
def test_an_analogy_is_that_of_gensim(drawn, witness):
    """a : b = c : ? is b and c without a."""
    for method, asked in (("3cosadd", witness.most_similar), ("3cosmul", witness.most_similar_cosmul)):
        assert_same(
            drawn.analogy("w1", "w2", "w3", top=5, method=method), asked(["w2", "w3"], ["w1"], topn=5)
        )


def test_many_words_in_pieces(drawn, monkeypatch):
    """A batch gives what single questions give, however little fits into memory at once."""
    single = [drawn.nearest(word, top=3) for word in drawn.words[:50]]
    for cells in (1, 700, 10**9):
        monkeypatch.setattr(neighbours, "_CELLS", cells)
        batch = drawn.nearest_each(drawn.words[:50], top=3)
        for one, other in zip(batch, single, strict=True):
            assert_same(one, other)


def test_lengths_in_pieces(drawn, monkeypatch):
    """Lengths do not depend on the pieces; a row of zeros is near to nothing and divides nothing."""
    matrix = drawn.matrix.copy()
    matrix[5] = 0
    monkeypatch.setattr(neighbours, "_CELLS", 55)
    expected = np.linalg.norm(matrix, axis=1)
    expected[5] = 1
    np.testing.assert_allclose(neighbours.lengths(matrix), expected, **CLOSE)
    assert Vectors(drawn.words, matrix).similarity("w5", "w6") == 0


def test_equal_scores_keep_the_order_of_the_words():
    """Ties are broken by the order of the words, also at the edge of what is shown."""
    same = Vectors(["a", "b", "c", "d", "e"], np.ones((5, 3)))
    assert [each.word for each in same.nearest("b", top=3)] == ["a", "c", "d"]


def test_more_asked_than_there_is():
    """All there are come back, and nothing if the question leaves none."""
    two = Vectors(["a", "b"], np.eye(2))
    assert [each.word for each in two.nearest("a", top=10)] == ["b"]
    assert two.nearest(["a", "b"]) == []


def test_it_is_a_collection(drawn):
    """Length, membership, iteration, vectors of one and of several words."""
    assert len(drawn) == 300
    assert "w7" in drawn
    assert "x7" not in drawn
    assert list(drawn)[:2] == ["w0", "w1"]
    assert drawn["w7"].tolist() == drawn.matrix[7].tolist()
    assert drawn[["w7", "w1"]].tolist() == drawn.matrix[[7, 1]].tolist()
    assert drawn.matrix.dtype == np.float32
    assert repr(drawn) == "Vectors(300 words, 20 dimensions)"


def test_the_first_words_alone(drawn):
    """Restricted vectors share memory and keep the counts."""
    first = drawn.restricted(10)
    assert len(first) == 10
    assert np.shares_memory(first.matrix, drawn.matrix)
    assert first.counts.tolist() == drawn.counts[:10].tolist()


@pytest.mark.parametrize(
    ("asked", "offered"),
    [("Append", "append"), ("apend", "append"), ("appedn", "append"), ("extended", "extend")],
)
def test_an_unknown_word_is_told_with_near_ones(asked, offered):
    """Another case, a letter missing, two changed, an ending too many."""
    few = Vectors(["append", "extend", "keys"], np.eye(3))
    with pytest.raises(CarouselError, match=rf"'{asked}' is not among the 3 words.*did you mean {offered}"):
        few.nearest(asked)


def test_an_unknown_word_without_near_ones(drawn):
    """Nothing is made up; long strings are not searched for."""
    for word in ("zzzzzzzz", "", "x" * 100_000):
        with pytest.raises(CarouselError, match="no known word is spelt much like it"):
            drawn[word]


@pytest.mark.parametrize(
    ("words", "matrix", "counts", "rule"),
    [
        (["a", "a"], np.eye(2), None, "got 'a' more than once"),
        (["a", 2], np.eye(2), None, "words must be text; got 2 of type int"),
        (["a"], np.eye(2), None, r"one row for each word.*got the shape \(2, 2\) for 1 words"),
        (["a"], np.ones(1), None, r"got the shape \(1,\)"),
        ([], np.ones((0, 3)), None, "n and d at least 1"),
        (["a", "b"], np.array([[1.0], [np.nan]]), None, "that of 'b' holds NaN"),
        (["a", "b"], np.array([[np.inf], [1]]), None, "that of 'a' holds NaN or infinity"),
        (["a"], np.array([[1e39]]), None, "that of 'a' holds NaN or infinity"),
        (["a"], np.array([["x"]]), None, "matrix must hold numbers"),
        (["a"], np.ones((1, 1)), [1, 2], "one for each of the 1 words"),
        (["a"], np.ones((1, 1)), [-1], "at least 0"),
        (["a"], np.ones((1, 1)), [0.5], "counts must be whole numbers"),
    ],
)
def test_what_vectors_cannot_be_made_of(words, matrix, counts, rule):
    """Each rule of the constructor, with what came."""
    with pytest.raises(CarouselError, match=rule):
        Vectors(words, matrix, counts)


@pytest.mark.parametrize(
    ("ask", "rule"),
    [
        (lambda v: v.nearest([]), "at least one word"),
        (lambda v: v.nearest("w1", top=0), "top must be at least 1"),
        (lambda v: v.nearest("w1", restrict=0), "restrict must be at least 1"),
        (lambda v: v.nearest("w1", method="cosine"), "one of 3cosadd, 3cosmul; got 'cosine'"),
        (lambda v: v.nearest(np.ones(3)), "vectors of 20 finite numbers"),
        (lambda v: v.nearest(np.full(20, np.nan)), "finite"),
        (lambda v: v.nearest([None]), "must be words, or vectors"),
        (lambda v: v.odd_one_out(["w1", "w2"]), "at least three words"),
        (lambda v: v.restricted(0), "count must be at least 1"),
    ],
)
def test_what_vectors_cannot_be_asked(drawn, ask, rule):
    """Each rule of a question, with what came."""
    with pytest.raises(CarouselError, match=rule):
        ask(drawn)
