"""`carousel embed train`: from a planted text to vectors whose clusters are found, by the command line alone."""

import io
import random

import pytest

from carousel.cli.embed import train
from carousel.embeddings import Vectors
from carousel.embeddings.training import Trainer

GROUPS = [[f"{letter}{k}" for k in range(8)] for letter in "abc"]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Sentences of one group each, with words that belong to all of them."""
    rng = random.Random(0)
    lines = [" ".join(rng.choices([*group, "the", "of"], k=9)) for _ in range(500) for group in GROUPS]
    path = tmp_path_factory.mktemp("planted") / "text.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


OPTIONS = ("--dimension", 16, "--epochs", 4, "--threads", 1, "--lr", 0.1, "--tokens", "spaces", "--sample", 0)


def test_from_text_to_neighbours(carousel, planted, tmp_path):
    """Training writes the file and says so; each word's nearest are of its own group."""
    path = tmp_path / "v.safetensors"
    done = carousel("embed", "train", planted, "--out", path, *OPTIONS)
    assert (done.status, done.err) == (0, "")
    assert "26 words, " in done.out
    assert "held-out loss" in done.out
    assert f"carousel embed nearest {path}" in done.out
    vectors = Vectors.load(path)
    assert vectors.counts[0] == vectors.counts.max()
    for group in GROUPS:
        asked = carousel("embed", "nearest", path, group[0], "-n", 7)
        assert asked.status == 0
        assert {line.split()[1] for line in asked.out.splitlines()} == set(group[1:])


@pytest.mark.parametrize("ending", [".vec", ".bin", ".npz"])
def test_the_ending_says_the_format(carousel, planted, tmp_path, ending):
    """Any format that can be loaded again."""
    path = tmp_path / f"v{ending}"
    assert carousel("embed", "train", planted, "-o", path, *OPTIONS, "--epochs", 1).status == 0
    assert len(Vectors.load(path)) == 26


def test_words_that_look_like_markup(carousel, tmp_path):
    """Words and files with brackets are shown as they are, quoted where a shell would take them apart."""
    path, text = tmp_path / "v[red].vec", tmp_path / "text.txt"
    text.write_text("[/b] [/b] [bold] (x) word\n" * 40)
    done = carousel("embed", "train", text, "-o", path, *OPTIONS)
    assert (done.status, done.err) == (0, "")
    assert f"dimensions -> {path}" in done.out
    assert f"carousel embed nearest '{path}' '[/b]'" in done.out


def test_without_a_name_nothing_is_overwritten(carousel, planted, tmp_path, monkeypatch):
    """The default file, and then the next free one."""
    monkeypatch.chdir(tmp_path)
    for expected in (train.DEFAULT, "vectors-2.safetensors", "vectors-3.safetensors"):
        done = carousel("embed", "train", planted, *OPTIONS, "--epochs", 1)
        assert f"-> {expected}" in done.out
        assert (tmp_path / expected).exists()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--out", "v.pkl"), "the ending of a file must be one of"),
        (("--out", "no/such/folder/v.vec"), "--out must be a file in a folder that can be written to"),
        (("--out", "x" * 300 + ".vec"), "--out must be a file in a folder"),
        (("--dimension", 0), "dimension must be at least 1; got 0"),
        (("nowhere.txt",), "nowhere.txt"),
        (("--checkpoint", "no/such/folder/c.safetensors"), "checkpoint must be a file in a folder"),
        (("--patience", 2, "--held-out", 0), "patience needs a held-out loss"),
    ],
)
def test_mistakes_cost_no_time(carousel, tmp_path, monkeypatch, arguments, rule):
    """Each is told before anything is read, with status 2 and nothing written."""
    monkeypatch.chdir(tmp_path)
    done = carousel("embed", "train", *arguments)
    assert done.status == 2
    assert rule in done.err
    assert not list(tmp_path.iterdir())


def test_ctrl_c(carousel, planted, tmp_path, monkeypatch):
    """Stopped in the middle: one line, status 130, no file."""

    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("carousel.embeddings.training.Trainer.run", stopped)
    done = carousel("embed", "train", planted, "--out", tmp_path / "v.vec")
    assert done.status == 130
    assert done.err == (
        "carousel: interrupted; nothing was written; with --checkpoint FILE it could go on from there\n"
    )
    assert not (tmp_path / "v.vec").exists()


def test_ctrl_c_with_a_checkpoint(carousel, planted, tmp_path, monkeypatch):
    """What was reached is kept, the message says how to go on, and the same command does."""
    checkpoint, path = tmp_path / "training.safetensors", tmp_path / "v.vec"
    command = ("embed", "train", planted, "-o", path, "--checkpoint", checkpoint, *OPTIONS)
    whole = Trainer.run

    def stopped(self, save):
        save()
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", stopped)
    done = carousel(*command)
    assert done.status == 130
    assert f"the same command goes on from {checkpoint}" in done.err
    monkeypatch.setattr(Trainer, "run", whole)
    done = carousel(*command)
    assert done.status == 0
    assert f"going on with {checkpoint}" in done.out
    assert len(Vectors.load(path)) == 26


def test_more_text(carousel, planted, tmp_path):
    """A .safetensors file is trained on with new text and a new word, with the options that it had."""
    first, second, text = tmp_path / "one.safetensors", tmp_path / "two.safetensors", tmp_path / "new.txt"
    assert carousel("embed", "train", planted, "-o", first, *OPTIONS).status == 0
    text.write_text("a0 a1 a2 new a3 a4\n" * 200)
    done = carousel("embed", "train", text, "--more", first, "-o", second, "--threads", 1)
    assert (done.status, done.err) == (0, "")
    vectors = Vectors.load(second)
    assert (len(vectors), vectors.dimension) == (27, 16)
    assert vectors.similarity("new", "a0") > max(vectors.similarity("new", far) for far in ("b0", "c0"))


def test_more_needs_text_and_a_training(carousel, planted, tmp_path):
    """Without new text, or from vectors without their training: what is missing is told."""
    done = carousel("embed", "train", "--more", tmp_path / "v.safetensors")
    assert (done.status, done.err) == (2, "carousel: --more goes on with new text: give PATHS too.\n")
    Vectors(["a", "b"], [[1.0], [2.0]]).save(tmp_path / "v.safetensors")
    done = carousel("embed", "train", planted, "--more", tmp_path / "v.safetensors", "-o", tmp_path / "w.vec")
    assert done.status == 2
    assert "v.safetensors" in done.err


def test_from_given_vectors(carousel, planted, tmp_path):
    """--from begins with the vectors of a file, whose dimension is taken; --more goes on with a training instead."""
    given, path = tmp_path / "given.vec", tmp_path / "v.vec"
    Vectors(["a0", "a1", "other"], [[1.0] * 6, [2.0] * 6, [3.0] * 6]).save(given)
    rest = ("--epochs", 1, "--threads", 1, "--lr", 1e-9, "--tokens", "spaces")
    done = carousel("embed", "train", planted, "--from", given, "-o", path, *rest)
    assert (done.status, done.err) == (0, "")
    assert "2 of 26 words begin with the vectors that were given" in done.out
    vectors = Vectors.load(path)
    assert vectors.dimension == 6
    assert vectors["a1"].tolist() == pytest.approx([2.0] * 6, abs=1e-5)
    done = carousel("embed", "train", planted, "--from", given, "--more", given, "-o", path)
    assert done.status == 2
    assert "--more goes on with a training, --from begins one" in done.err
    done = carousel("embed", "train", planted, "--from", given, "-o", path, "--dimension", 7)
    assert "dimension must be that of the initial vectors, 6; got 7" in done.err


def test_text_from_a_pipe(carousel, planted, tmp_path, monkeypatch):
    """- is standard input, for a training and for --more: the same words and counts as of the file."""
    path, more = tmp_path / "v.safetensors", tmp_path / "w.safetensors"
    for given, rest in (((), ("-o", path)), (("--more", path), ("-o", more))):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(planted.read_bytes())))
        done = carousel("embed", "train", "-", *given, *rest, *(() if given else OPTIONS))
        assert (done.status, done.err) == (0, "")
    carousel("embed", "train", planted, "-o", tmp_path / "file.safetensors", *OPTIONS)
    expected = Vectors.load(tmp_path / "file.safetensors")
    assert Vectors.load(path).words == expected.words
    assert Vectors.load(path).counts.tolist() == expected.counts.tolist()
    assert sum(Vectors.load(more).counts) == 2 * sum(expected.counts)


def test_two_trainings_at_once_write_two_files(carousel, planted, tmp_path, monkeypatch):
    """While a training into the default file runs, another takes the next name, and one into its file is refused."""
    monkeypatch.chdir(tmp_path)
    whole, inner = Trainer.run, []

    def run(self, save):
        if not inner:
            inner.append(None)
            inner.append(carousel("embed", "train", planted, *OPTIONS, "--epochs", 1))
            inner.append(carousel("embed", "train", planted, "-o", train.DEFAULT, *OPTIONS, "--epochs", 1))
        whole(self, save)

    monkeypatch.setattr(Trainer, "run", run)
    done = carousel("embed", "train", planted, *OPTIONS, "--epochs", 1)
    assert f"-> {train.DEFAULT}" in done.out
    assert "-> vectors-2.safetensors" in inner[1].out
    assert inner[2].status == 2
    assert f"only one process at a time trains into {train.DEFAULT}" in inner[2].err
    assert {each.name for each in tmp_path.iterdir()} == {train.DEFAULT, "vectors-2.safetensors"}


def test_one_file_for_the_checkpoint_and_the_vectors(carousel, planted, tmp_path):
    """--out may be the checkpoint."""
    path = tmp_path / "v.safetensors"
    for _ in range(2):
        done = carousel("embed", "train", planted, "-o", path, "--checkpoint", path, *OPTIONS, "--epochs", 1)
        assert (done.status, done.err) == (0, "")
    assert len(Vectors.load(path)) == 26


def test_no_torch_is_loaded(planted, tmp_path):
    """Training and asking vectors starts as fast as NumPy does."""
    import subprocess
    import sys

    script = (
        "import sys; from carousel.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    path = tmp_path / "v.vec"
    for arguments in (
        ("train", planted, "--out", path, *OPTIONS, "--epochs", 1),
        ("nearest", path, "a1"),
    ):
        subprocess.run([sys.executable, "-c", script, "embed", *map(str, arguments)], check=True)
