"""The benchmark of word vectors: every contender that is here trains on the same text, and the page tells it."""

import math

import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from bench.embeddings import measure, results
from bench.embeddings.tasks import OURS, TASKS, Trained, train
from bench.machine import Machine
from carousel import embed

LINES = [
    f"the {a} fox saw {b} birds and the {a} dog saw {b} cats" for a in ("red", "old") for b in ("two", "ten")
]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES * 50) + "\n")
    return path


def test_words_are_counted_as_they_stand(text):
    """Speed is in words between spaces, rare ones and all."""
    assert measure.describe(text) == results.Text("text.txt", 200 * 13)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", measure.present()[0])
def test_every_contender_trains(name, text):
    """Whoever is installed gives a finite vector of 100 numbers for the same words."""
    trained = train(name, text, TASKS["sg-ns"], 1, 1, 1)
    assert set(trained.words) == {word for line in LINES for word in line.split()}
    assert trained.matrix.shape == (len(trained.words), 100)
    assert trained.seconds > 0
    assert math.isfinite(trained.matrix.sum())


def test_judges_see_known_words_only(tmp_path):
    """Rated pairs and analogies are told apart; the share of unknown questions comes with the score."""
    vectors = embed([["a", "b", "c", "d"]] * 30, dimension=4, min_count=1, threads=1, held_out=0).vectors
    (tmp_path / "pairs.tsv").write_text("a\tb\t1\nc\td\t2\na\tc\t3\nx\ty\t9\n")
    (tmp_path / "analogies.txt").write_text(": section\na b c d\nx y a b\n")
    trained = Trained(1.0, vectors.words, vectors.matrix)
    score, unknown = measure.judged(trained, tmp_path / "pairs.tsv")
    assert -1 <= score <= 1
    assert unknown == 0.25
    score, unknown = measure.judged(trained, tmp_path / "analogies.txt")
    assert score in (0.0, 1.0)
    assert unknown == 0.5


def test_the_page_survives_its_file(tmp_path):
    """Results come back from JSON, and their tables give medians, ratios and spreads."""
    machine = Machine("cpu", 2, 2, "avx2", "Linux", {}, "2026-01-01", 0.1)
    run = results.Results(
        machine,
        [results.Text("t", 10)],
        5,
        [results.Speed("sg-ns", "t", {OURS: [4e6, 6e6, 5e6], "fastText": [1e6, 2e6, 1e6]})],
        [results.Memory("sg-ns", "t", {OURS: 74.0})],
        [results.Quality("sg-ns", "t", OURS, {"wordsim": [0.5, 0.7]}, {"wordsim": 0.25})],
        {"gensim queue": "gensim is not installed"},
    )
    results.save(run, tmp_path / "r.json")
    assert results.load(tmp_path / "r.json") == run
    page = results.markdown(run)
    assert "| skip-gram, 5 negatives | t | fastText | 1.00 | 5.00 (3.00 to 5.00) |" in page
    assert "0.6000 ± 0.1414 (25%)" in page
    assert "gensim queue was left out: gensim is not installed." in page


def test_mistakes_are_told(tmp_path):
    """A task that is none and a text that is not there are refused before anything runs."""
    for arguments, message in (
        (["--tasks", "glove"], "glove"),
        (["--text", str(tmp_path / "no")], "no file"),
    ):
        outcome = CliRunner().invoke(app, ["embeddings", *arguments])
        assert outcome.exit_code == 2
        assert message in outcome.output
