"""`carousel embed nearest, analogy, evaluate, convert, plot` on prepared vectors."""

import gzip
import io

import numpy as np
import pytest

from carousel.embeddings import Vectors, evaluate

WORDS = ["man", "woman", "king", "queen", "apple", "Pear"]
MATRIX = [[1, 0, 0], [1, 1, 0], [2, 0.1, 0.5], [2, 2.1, 0.5], [0, 0, 3], [0, 0.5, 3]]


@pytest.fixture
def file(tmp_path):
    """Six words."""
    Vectors(WORDS, np.array(MATRIX), range(60, 0, -10)).save(tmp_path / "v.safetensors")
    return tmp_path / "v.safetensors"


def answers(done) -> list[str]:
    """The words of an answer."""
    assert (done.status, done.err) == (0, "")
    return [line.split()[1] for line in done.out.splitlines()]


def test_nearest(carousel, file):
    """The cosine and the word, nearest first."""
    done = carousel("embed", "nearest", file, "apple", "-n", 2)
    assert done.out == " 0.9864  Pear\n 0.2423  king\n"


def test_words_together_and_apart(carousel, file):
    """Words added and taken away; or each asked on its own."""
    assert answers(carousel("embed", "nearest", file, "king", "woman", "--minus", "man", "-n", 1)) == [
        "queen"
    ]
    done = carousel("embed", "nearest", file, "apple", "king", "--each", "-n", 1)
    assert [line.split()[-1] for line in done.out.splitlines()] == ["apple", "Pear", "king", "man"]


def test_questions_from_a_pipe(carousel, file, monkeypatch):
    """A line is a question; a mistake is told and the next line is answered."""
    monkeypatch.setattr("sys.stdin", io.StringIO("king woman -man\n\nkingg\napple\n"))
    done = carousel("embed", "nearest", file, "-n", 1)
    assert done.status == 0
    assert [line.split()[1] for line in done.out.splitlines()] == ["queen", "Pear"]
    assert "'kingg' is not among the 6 words of these vectors; did you mean king?" in done.err


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_analogy(carousel, file, method):
    """man : king = woman : queen."""
    done = carousel("embed", "analogy", file, "man", "king", "woman", "-n", 1, "--method", method)
    assert answers(done) == ["queen"]


def test_evaluate(carousel, file, tmp_path):
    """Analogies as a table with sums, pairs as one row; which is which shows in the files."""
    (tmp_path / "q.txt").write_text(": family\nman king woman queen\nman king woman prince\n: gram1\n")
    (tmp_path / "p.tsv").write_text(
        "w1\tw2\tPOS\tscore\nman\twoman\tN\t9\napple\tpear\tN\t8\nman\tapple\tN\t1\nx\ty\tN\t1\n"
    )
    done = carousel("embed", "evaluate", file, tmp_path / "q.txt", tmp_path / "p.tsv")
    assert (done.status, done.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.strip()}
    assert rows["family"] == ["1", "1", "100.0", "%", "50.0", "%"]
    assert rows["syntactic"] == ["0", "0", "-", "-"]
    assert rows["total"] == rows["family"]
    score = evaluate(Vectors.load(file), tmp_path / "p.tsv")
    assert rows[f"{score.spearman:.3f}"] == [f"{score.pearson:.3f}", "3", "25.0", "%"]


def test_sections_that_look_like_markup(carousel, file, tmp_path):
    """Names are shown as they are."""
    (tmp_path / "q[bold].txt").write_text(": [/red]\nman king woman queen\n")
    done = carousel("embed", "evaluate", file, tmp_path / "q[bold].txt")
    assert (done.status, done.err) == (0, "")
    assert "[/red]" in done.out
    assert "q[bold].txt" in done.out


@pytest.mark.parametrize("ending", ["txt", "vec", "bin", "npz", "npy", "safetensors"])
def test_convert(carousel, file, tmp_path, ending):
    """From each format to each, by way of the endings."""
    target = tmp_path / f"new.{ending}"
    done = carousel("embed", "convert", file, target)
    assert (done.status, done.out) == (0, f"{target}: 6 words, 3 dimensions\n")
    assert Vectors.load(target).words == WORDS
    assert answers(carousel("embed", "nearest", target, "apple", "-n", 1)) == ["Pear"]


def test_convert_part_of_it_by_name(carousel, file, tmp_path):
    """The first words only, in a format that no ending means."""
    target = tmp_path / "new"
    assert carousel("embed", "convert", file, target, "--limit", 2, "--format", "glove").status == 0
    assert target.read_text() == "man 1.0 0.0 0.0\nwoman 1.0 1.0 0.0\n"


def test_convert_a_language_model(carousel, run, tmp_path):
    """The projection of a trained run becomes vectors of its symbols."""
    done = carousel("embed", "convert", run[0], tmp_path / "chars.vec")
    assert "12 dimensions" in done.out
    assert "e" in Vectors.load(tmp_path / "chars.vec")


def test_plot(carousel, file, tmp_path):
    """Picture and page beside the file; only one of them if its ending asks for it."""
    done = carousel("embed", "plot", file)
    assert done.out == f"{tmp_path / 'v.png'}\n{tmp_path / 'v.html'}\n"
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    assert "6 of 6 words" in (tmp_path / "v.html").read_text()
    done = carousel(
        "embed", "plot", file, "king", "queen", "--around", 1, "--method", "tsne", "-o", tmp_path / "few.html"
    )
    assert done.out == f"{tmp_path / 'few.html'}\n"
    assert not (tmp_path / "few.png").exists()


def test_a_dotted_name_keeps_its_dots(carousel, file, tmp_path):
    """`glove.6B.3d.txt` has no ending .3d."""
    carousel("embed", "convert", file, tmp_path / "glove.6B.3d.txt")
    done = carousel("embed", "plot", tmp_path / "glove.6B.3d.txt")
    assert done.out.splitlines()[0] == str(tmp_path / "glove.6B.3d.png")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("nearest", "FILE", "kingg"), "did you mean king?"),
        (("nearest", "no.vec", "king"), "no.vec does not exist"),
        (("nearest", "FILE", "king", "--each", "--minus", "man"), "choose one"),
        (("nearest", "FILE", "--minus", "man"), "--minus needs a word"),
        (("analogy", "FILE", "man", "kign", "woman"), "did you mean king?"),
        (("evaluate", "FILE", "no.txt"), "cannot read"),
        (("evaluate", "FILE", "/dev/urandom"), "/dev/urandom is no regular file"),
        (("nearest", "/dev/zero", "king"), "/dev/zero is no regular file"),
        (("nearest", "FILE", "king", "--among", "kingg"), "did you mean king?"),
        (("convert", "FILE", "new.pkl"), "the ending of a file must be one of"),
        (("convert", "FILE", "new.vec", "--format", "pickle"), "format must be one of"),
        (("convert", "no.bin", "new.vec"), "no.bin does not exist"),
        (("plot", "FILE", "king"), "must have 2 to 5,000 words; got 1"),
        (("plot", "FILE", "--around", 3), "--around adds neighbours"),
        (("plot", "FILE", "-o", "map.svg"), "must end in .png or .html"),
    ],
)
def test_mistakes(carousel, file, arguments, rule):
    """Status 2, one message, nothing on stdout."""
    done = carousel("embed", *(file if each == "FILE" else each for each in arguments))
    assert (done.status, done.out) == (2, "")
    assert rule in " ".join(done.err.split())


@pytest.mark.parametrize(
    "among", [("--among", "queen man"), ("--among", "queen", "--among", "man"), ("--among", "man queen king")]
)
def test_among_some_words(carousel, file, among):
    """Only the words of --among answer, nearest first."""
    assert answers(carousel("embed", "nearest", file, "king", *among)) == ["man", "queen"]
    done = carousel("embed", "analogy", file, "man", "king", "woman", "--among", "apple queen")
    assert answers(done) == ["queen", "apple"]


def test_equal_words_on_the_command_line(carousel, tmp_path):
    """A file with a word twice is refused with its lines, or the first is kept; compressed files are read."""
    with gzip.open(tmp_path / "v.vec.gz", "wt") as file:
        file.write("king 1 0\nqueen 1 0.1\nking 0 1\nman 0 1\n")
    done = carousel("embed", "nearest", tmp_path / "v.vec.gz", "king")
    assert done.status == 2
    assert "'king' in line 1 and in line 3" in done.err
    assert "--duplicates first" in done.err
    done = carousel("embed", "nearest", tmp_path / "v.vec.gz", "king", "--duplicates", "first")
    assert answers(done) == ["queen", "man"]
    target = tmp_path / "new.npz"
    assert carousel("embed", "convert", tmp_path / "v.vec.gz", target, "--duplicates", "first").status == 0
    assert Vectors.load(target).words == ["king", "queen", "man"]
