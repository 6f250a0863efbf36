"""Analogies of a file: counted by hand, and as gensim counts them."""

import numpy as np
import pytest

from carousel import CarouselError
from carousel.embeddings import Vectors, evaluate, lookup, neighbours


@pytest.fixture
def planted() -> Vectors:
    """Pairs (x_k, y_k) whose difference is one direction, with noise: many analogies hold, not all."""
    rng = np.random.default_rng(3)
    base = rng.standard_normal((40, 12))
    noise = 0.55 * rng.standard_normal((40, 12))
    words = [f"X{k}" for k in range(40)] + [f"y{k}" for k in range(40)]
    return Vectors(words, np.concatenate([base, base + 1.2 * rng.standard_normal(12) + noise]))


@pytest.fixture
def questions(tmp_path):
    """Two sections of questions, some of unknown words, in other letters of case than the vectors."""
    path = tmp_path / "questions.txt"
    lines = [": capitals"]
    lines += [f"x{a} y{a} x{b} y{b}" for a in range(20) for b in range(20, 30)]
    lines += [f"x{k} y{k} x{k + 1} nowhere" for k in range(7)]
    lines += [": gram1-plural"]
    lines += [f"Y{a} x{a} Y{b} X{b}" for a in range(30, 40) for b in range(5)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_it_counts_as_gensim(planted, questions):
    """Right answers of each section, and the accuracy, without regard to case."""
    gensim = pytest.importorskip("gensim.models", reason="gensim is not installed: no witness for the counts")
    keyed = gensim.KeyedVectors(planted.dimension)
    keyed.add_vectors(planted.words, planted.matrix)
    accuracy, sections = keyed.evaluate_word_analogies(str(questions))
    score = evaluate(planted, questions)
    expected = {each["section"]: (len(each["correct"]), len(each["incorrect"])) for each in sections}
    for section in score.sections:
        assert (section.correct, section.known - section.correct) == expected[section.name]
    assert 0.2 < accuracy < 0.95, "the test needs right and wrong answers"
    assert score.total.accuracy == accuracy
    strict, _ = keyed.evaluate_word_analogies(str(questions), dummy4unknown=True)
    assert score.total.accuracy_of_all == strict


def test_restricted_as_in_gensim(planted, questions):
    """With the first words only, questions of the others are unknown."""
    gensim = pytest.importorskip("gensim.models", reason="gensim is not installed: no witness for the counts")
    keyed = gensim.KeyedVectors(planted.dimension)
    keyed.add_vectors(planted.words, planted.matrix)
    accuracy, _ = keyed.evaluate_word_analogies(str(questions), restrict_vocab=68)
    score = evaluate(planted, questions, restrict=68)
    assert score.total.accuracy == accuracy
    assert score.total.unknown > 50


def test_sums(planted, questions):
    """Sections that begin with gram are syntactic; unknown questions are counted apart."""
    score = evaluate(planted, questions)
    assert (score.semantic.known, score.semantic.unknown) == (200, 7)
    assert (score.syntactic.known, score.syntactic.unknown) == (50, 0)
    assert score.total.correct == score.semantic.correct + score.syntactic.correct
    assert score.total.unknown_share == 7 / 257


def test_with_regard_to_case(planted, questions):
    """If case counts, x0 is not X0."""
    with pytest.raises(CarouselError, match=r"four words with vectors; .* has 257 questions and none"):
        evaluate(planted, questions, case=True)


def test_words_in_several_cases(tmp_path):
    """Without regard to case the most frequent spelling asks, and no spelling of the question answers."""
    words = ["man", "woman", "King", "Queen", "king", "KING"]
    matrix = np.array([[1, 0], [1, 1], [2, 0.1], [2, 1.2], [2, 1.1], [2, 1.1]])
    (tmp_path / "q").write_text("MAN king WOMAN queen\n")
    vectors = Vectors(words, matrix)
    score = evaluate(vectors, tmp_path / "q")
    assert (score.sections[0].name, score.total.correct) == ("q", 1)
    assert lookup.Lookup(vectors, None, False).alike == {2: [2, 4, 5]}


def test_in_pieces(planted, questions, monkeypatch):
    """Memory bounds the pieces, not the result; progress is told to the end."""
    whole = evaluate(planted, questions)
    monkeypatch.setattr(neighbours, "_CELLS", 3000)
    told = []
    assert evaluate(planted, questions, on_progress=lambda event: told.append(event.share)) == whole
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_product_of_cosines(planted, questions):
    """3CosMul answers each question as `Vectors.analogy` does."""
    score = evaluate(planted, questions, method="3cosmul")
    right = sum(
        planted.analogy(f"y{a}", f"X{a}", f"y{b}", top=1, method="3cosmul")[0].word == f"X{b}"
        for a in range(30, 40)
        for b in range(5)
    )
    assert score.syntactic.correct == right


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (": a\nx0 y0 x1\n", "line 2 of .*q is 'x0 y0 x1'"),
        ("", "holds no character"),
        (": a\n", "has 0 questions"),
    ],
)
def test_files_that_hold_no_analogies(planted, tmp_path, text, rule):
    """The line that is wrong is told."""
    (tmp_path / "q").write_text(text)
    with pytest.raises(CarouselError, match=rule):
        evaluate(planted, tmp_path / "q")


def test_a_file_that_is_not_there(planted, tmp_path):
    """And a file that is not text."""
    with pytest.raises(CarouselError, match="cannot read"):
        evaluate(planted, tmp_path / "no")
    (tmp_path / "q").write_bytes(b"\xff")
    with pytest.raises(CarouselError, match="must be UTF-8"):
        evaluate(planted, tmp_path / "q")


def test_comments_and_empty_lines(planted, tmp_path):
    """A licence at the top is no question."""
    (tmp_path / "q").write_text("// Copyright of a file\n# more\n\n: a\nx0 y0 x1 y1\r\n")
    assert evaluate(planted, tmp_path / "q").total.questions == 1
