"""`carousel evaluate`: the score of the run's own test files, of other files, and of every line."""

import re

import pytest

from carousel import CarouselError, evaluate


def test_the_runs_own_test_files(carousel, run):
    """Without paths the score is the one that training ended with."""
    folder, trained = run
    printed = float(re.search(r"([\d.]+) bits per character", trained.out)[1])
    done = carousel("evaluate", folder)
    assert done.status == 0
    assert float(done.out.split()[0]) == pytest.approx(printed, abs=6e-4)
    assert "in 1 document\n" in done.out
    assert evaluate(folder).bits_per_character == pytest.approx(printed, abs=6e-4)
    with pytest.raises(CarouselError, match="holds weights alone, without a test part"):
        evaluate(folder / "weights.safetensors")


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


def test_a_text_that_has_changed_has_no_test_part(carousel, tmp_path):
    """The fingerprint of the run tells: no score of another text under the run's name, nor a diagnosis or a report."""
    text = tmp_path / "text.py"
    text.write_text("".join(f"a = {k}\n" for k in range(500)))
    small = ("--level", "char", "--hidden", 8, "--batch", 2, "--bptt", 8, "--steps", 2, "--threads", 1)
    folder = tmp_path / "run"
    assert carousel("train", text, "--out", folder, *small).status == 0
    assert carousel("evaluate", folder).status == 0
    text.write_text("b = 1\n" + text.read_text())
    (folder / "report.html").unlink()
    for arguments in (("evaluate", folder), ("diagnose", folder), ("train", "--resume", folder)):
        done = carousel(*arguments)
        assert done.status == 2
        assert "has changed since the run began" in done.err
    assert carousel("evaluate", folder, text).status == 0


def test_a_long_unknown_word_is_shown_by_its_beginning(carousel, run, tmp_path, monkeypatch):
    """A text of one word is scored from standard input too, and no message repeats it whole."""
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é\n".encode())))
    done = carousel("evaluate", run[0], "-")
    assert done.status == 0
    assert "1 not in the vocabulary" in done.err
    assert "in 1 document" in done.out
