"""`carousel evaluate`: the score of the run's own test files, of other files, and of every line."""

import re

import pytest


def test_the_runs_own_test_files(carousel, run):
    """Without paths the score is the one that training ended with."""
    folder, trained = run
    printed = float(re.search(r"([\d.]+) bits per character", trained.out)[1])
    done = carousel("evaluate", folder)
    assert done.status == 0
    assert float(done.out.split()[0]) == pytest.approx(printed, abs=6e-4)
    assert "in 1 document\n" in done.out


def test_lines_are_scored_one_by_one(carousel, run, tmp_path):
    """One line out per line in, with its text unchanged; a likely line costs less than noise."""
    path = tmp_path / "lines.txt"
    path.write_text("    return [a + 1, 'b1']\n\n]]]]''''++++####\n", encoding="utf-8")
    done = carousel("evaluate", run[0], path, "--lines")
    scores, lines = zip(*(line.split("\t", 1) for line in done.out.splitlines()), strict=True)
    assert list(lines) == path.read_text().splitlines()
    assert float(scores[0]) < float(scores[2])


def test_unknown_characters_are_told(carousel, run, tmp_path):
    """What the vocabulary lacks is named on stderr, for it makes the score look good."""
    path = tmp_path / "a.txt"
    path.write_text("def €Ω\n", encoding="utf-8")
    done = carousel("evaluate", run[0], path)
    assert done.status == 0
    assert "2 not in the vocabulary" in done.err
    assert "'€', 'Ω'" in done.err


def test_bad_paths_are_refused(carousel, run, tmp_path):
    """A missing run and a missing file: status 2 and the path."""
    for arguments in ((tmp_path / "no",), (run[0], tmp_path / "no")):
        done = carousel("evaluate", *arguments)
        assert (done.status, done.out) == (2, "")
        assert str(tmp_path / "no") in done.err


def test_tokens_are_scored_one_by_one(carousel, run, tmp_path):
    """A line for each token with its bits, and the sum behind each line of text, which is the line's score."""
    path = tmp_path / "lines.txt"
    path.write_text("ab\nc\n", encoding="utf-8")
    done = carousel("evaluate", run[0], path, "--tokens")
    first, second = done.out.strip("\n").split("\n\n")
    *tokens, total = first.split("\n")
    assert [line.split("\t")[1] for line in tokens] == ["'a'", "'b'", "'\\n'"]
    assert float(total.split("\t")[0]) == pytest.approx(
        sum(float(t.split("\t")[0]) for t in tokens), abs=1e-3
    )
    assert total.endswith("\t3 tokens")
    assert second.endswith("\t2 tokens")
    done = carousel("evaluate", run[0], path, "--tokens", "--lines")
    assert done.status == 2
