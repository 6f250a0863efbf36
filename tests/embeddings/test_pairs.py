"""Rated pairs: SciPy is the witness for the ranks, gensim for the whole."""

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES

from carousel import CarouselError
from carousel.embeddings import evaluate, pairs

CLOSE = TOLERANCES[torch.float64][0]


@pytest.fixture
def rated(tmp_path):
    """Pairs with ratings by chance, some equal, some of unknown words, in other letters of case."""
    rng = np.random.default_rng(5)
    path = tmp_path / "pairs.tsv"
    lines = ["# a comment", "Word 1\tWord 2\tHuman (mean)"]
    for a, b in rng.integers(0, 330, (200, 2)):
        lines.append(f"W{a}\tw{b}\t{rng.integers(0, 20) / 2}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("distinct", [3, 50, 10**9])
def test_ranks_against_scipy(distinct):
    """Spearman with many equal values, with some and with none."""
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed: no witness for the ranks")
    rng = np.random.default_rng(distinct)
    x, y = rng.integers(0, distinct, (2, 80)).astype(float)
    y += 0.3 * x
    assert pairs.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, rel=CLOSE)
    assert pairs.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, rel=CLOSE)


@pytest.mark.parametrize("restrict", [300_000, 150])
@pytest.mark.parametrize("zero", [False, True])
def test_it_is_that_of_gensim(drawn, rated, restrict, zero):
    """Both correlations and the share of unknown pairs, restricted and not, unknown pairs left out or as 0."""
    gensim = pytest.importorskip("gensim.models", reason="gensim is not installed: no witness for the result")
    pytest.importorskip("scipy", reason="SciPy is not installed, which gensim needs")
    keyed = gensim.KeyedVectors(drawn.dimension)
    keyed.add_vectors(drawn.words, drawn.matrix)
    pearson, spearman, unknown = keyed.evaluate_word_pairs(
        str(rated), restrict_vocab=restrict, dummy4unknown=zero
    )
    score = evaluate(drawn, rated, restrict=restrict, unknown_as_zero=zero)
    close = TOLERANCES[torch.float32][0]  # gensim's cosines are float32
    assert score.pearson == pytest.approx(pearson[0], rel=close)
    assert score.spearman == pytest.approx(spearman[0], rel=close)
    if not zero:  # gensim then counts none as unknown
        assert 100 * score.unknown_share == pytest.approx(unknown)
    assert score.pairs == 200


@pytest.mark.parametrize(
    "text",
    [
        "w1\tw2\t1\nw3\tw4\t2\nw5\tw6\t3\n",
        "word1\tword2\tPOS\tSimLex999\tconc(w1)\nw1\tw2\tA\t1\t4.5\nw3\tw4\tN\t2\t4\nw5\tw6\tV\t3\t0\n",
        "Word 1,Word 2,Human (mean)\nw1,w2,1\nw3,w4,2\nw5,w6,3\n",
        "w1 w2 1\nw3 w4 2\n\nw5  w6 3\r\n",
        "# comment\n#more\nw1\tw2\t1\t9\t9\nw3\tw4\t2\t9\t9\nw5\tw6\t3\t0\t0\n",
    ],
)
def test_layouts(drawn, tmp_path, text):
    """Tabs, commas, blanks; headers; the columns of SimLex and of single raters."""
    (tmp_path / "p").write_text(text)
    cosines = [drawn.similarity(f"w{k}", f"w{k + 1}") for k in (1, 3, 5)]
    expected = pairs.spearman(np.array(cosines), np.arange(3.0))
    score = evaluate(drawn, tmp_path / "p")
    assert score.spearman == pytest.approx(expected)
    assert (score.known, score.unknown) == (3, 0)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("w1 w2 1\nw3 w4\n", "two words and a number; line 2 of .*p is 'w3 w4'"),
        ("w1 w2 1\nw3 w4 nan\n", "line 2"),
        ("a b 1\nc d 2\n", "has 2 pairs and 0 of them"),
        ("w1 w2 1\n", "at least 2 pairs must have two words with vectors; .*p has 1 pairs and 1"),
    ],
)
def test_files_that_hold_no_pairs(drawn, tmp_path, text, rule):
    """The line that is wrong is told."""
    (tmp_path / "p").write_text(text)
    with pytest.raises(CarouselError, match=rule):
        evaluate(drawn, tmp_path / "p")


def test_equal_ratings_rank_nothing(drawn, tmp_path):
    """No correlation with a constant: NaN and no warning."""
    (tmp_path / "p").write_text("w1 w2 1\nw3 w4 1\n")
    assert np.isnan(evaluate(drawn, tmp_path / "p").spearman)
