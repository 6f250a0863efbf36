"""Names that say which part of a corpus a file is."""

import gzip
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import corpora, load_corpus, split
from carousel.data.documents import Document
from carousel.data.part_names import parts_by_name

LINES = "a line of text\n" * 200


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("TRAIN.TXT", "Dev.TXT", "Test.TXT"),
        ("ptbTrain.txt", "ptbVal.txt", "ptbTest.txt"),
        ("train/b.txt", "val/a.txt", "test/a.md"),
        ("corpus/train/b.txt", "corpus/validation/a.txt", "corpus/test/deep/train.txt"),
        ("train-00000-of-00002.txt.gz", "eval-00000-of-00001.txt.gz", "test-00000-of-00001.txt.gz"),
        ("ptb.trn.txt", "ptb.dev.txt", "ptb.tst.txt"),
        ("trainset.txt", "devset.txt", "testset.txt"),
        ("wikiTrainSet.txt", "wikiValSet.txt", "wikiTestSet.txt"),
        ("train_set.txt", "valid_set.txt", "test_set.txt"),
        ("training/a.txt", "development/a.txt", "testing/a.txt"),
        ("a.train.txt", "a.evaluation.txt", "a.held-out.txt"),
        ("train.txt.gz", "valid.txt.bz2", "test.txt"),
        ("train/b.py", "valid/a.py", "test/a.py"),
    ],
)
def test_names_of_published_corpora_are_their_parts(train: str, valid: str, test: str) -> None:
    """A word of its own says the part, in the file's name or in that of a folder; a README belongs to none."""
    assert parts_by_name([test, "README.md" if test != "test/a.md" else "README", valid, train]) == {
        "train": [train],
        "valid": [valid],
        "test": [test],
    }


@pytest.mark.parametrize(
    "names",
    [
        ["emma.txt", "persuasion.txt"],
        ["latest.txt", "contest.txt", "restrain.txt"],
        ["train.txt"],
        ["test.txt", "valid.txt"],
        ["src/training/loop/loop.py", "src/model.py", "tests/test_loop.py"],
        ["train.py", "test.py", "model.py", "util.py"],
        ["train.py", "test.py"],
        ["train.md", "test.md"],
        ["cli/train.rs", "cli/test.rs", "cli/eval.rs"],
        ["app/train/loop.py", "app/test/loop.py", "app/model.py"],
        ["train/loop.c", "tests.c", "test.txt"],
        ["requirements-dev.txt", "requirements.txt", "setup.py"],
        ["test.txt"],
        ["held.txt", "testsets.txt"],
        ["train_test_split.py", "emma.txt"],
    ],
)
def test_other_names_say_nothing(names: list[str]) -> None:
    """A word inside another is none, and a train part without anything held out is a text like others."""
    assert parts_by_name(names) is None


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["ptb.char.train.txt", "ptb.char.test.txt", "ptb.train.txt", "ptb.test.txt"], "one set of parts"),
        (["a/train.txt", "a/test.txt", "b/train.txt", "b/test.txt"], "one set of parts"),
        (
            ["train.txt", "test.txt", "train.txt.gz"],
            r"once, compressed or not.*; got train\.txt, train\.txt\.gz",
        ),
        (["emma.txt.xz", "emma.txt.gz"], r"once, compressed or not.*; got emma\.txt\.xz, emma\.txt\.gz"),
        (
            ["test.txt", "other.txt"],
            r"next to test\.txt, files to learn from must say train.*; got other\.txt",
        ),
        (["a.txt", "b.heldout.txt.gz", "README.md"], r"next to b\.heldout\.txt\.gz, .*; got a\.txt"),
        (["dev/a.txt", "test/a.txt", "other/a.txt"], r"next to dev/a\.txt, .*; got other/a\.txt"),
        (["one/train.txt", "two/test.txt"], r"next to two/test\.txt, .*; got one/train\.txt"),
        (["train.txt", "test.txt", "heldout.txt"], "each part must have one name"),
        (["train.txt", "dev.txt", "eval.txt"], "each part must have one name"),
        (["train.txt.gz", "test.txt", "model.txt"], r"every file next to train and test .*; got model\.txt"),
        (["train.tsv", "dev_matched.tsv", "test_matched.tsv"], "differ by train, valid or test alone"),
        (["train/a.txt", "test.txt"], "differ by train, valid or test alone"),
    ],
)
def test_names_that_leave_a_doubt_are_refused(names: list[str], rule: str) -> None:
    """Nothing is guessed where a wrong guess would train on what is held out."""
    with pytest.raises(CarouselError, match=f"{rule}.*--train-file"):
        parts_by_name(names)


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"ptb.{name}.txt").write_text(text)
    return folder


def test_no_test_character_is_trained_on(tmp_path: Path) -> None:
    """The parts of a folder with the names of the Penn Treebank are its files, and that is told."""
    folder = write(tmp_path / "ptb", train="train\n" * 200, valid="valid\n" * 50, test="test\n" * 30)
    parts = load_corpus(folder)
    assert ([each.text for each in parts.train], [each.text for each in parts.test]) == (
        ["train\n" * 200],
        ["test\n" * 30],
    )
    assert parts.described() == {
        "train": "1,200 characters, 1 file (ptb.train.txt), by its name",
        "valid": "300 characters, 1 file (ptb.valid.txt), by its name",
        "test": "150 characters, 1 file (ptb.test.txt), by its name",
    }
    assert parts.brought
    again = load_corpus([folder / "ptb.test.txt", folder / "ptb.train.txt", folder / "ptb.valid.txt"])
    assert again == parts


@pytest.mark.parametrize("missing", ["valid", "test"])
def test_a_third_part_is_cut_off_train(tmp_path: Path, missing: str) -> None:
    """Of two parts, the one that is held out stays whole, and the share asked for is cut off the train file."""
    held = "test" if missing == "valid" else "valid"
    folder = write(tmp_path / "ptb", train=LINES, **{held: "held\n"})
    parts = load_corpus(folder, **{missing: 0.1})
    assert [each.text for each in getattr(parts, held)] == ["held\n"]
    assert [each.text for each in parts.train] == [LINES[:2700]]
    assert [each.text for each in getattr(parts, missing)] == [LINES[2700:]]
    assert parts.how == {
        "train": "by its name, what is left",
        held: "by its name",
        missing: "the last 10 % of each",
    }
    assert not parts.brought
    with pytest.raises(CarouselError, match=f"{held} has files and the share 0.2"):
        load_corpus(folder, **{held: 0.2})


def test_documents_in_memory_follow_the_same_rule() -> None:
    """`split` reads the names of documents as `load_corpus` those of files."""
    parts = split([Document("dev/a", "dev"), Document("train/b", LINES), Document("test/c", "test")])
    assert [part[0].name for part in (parts.train, parts.valid, parts.test)] == ["train/b", "dev/a", "test/c"]


def test_parts_can_be_named(tmp_path: Path) -> None:
    """Files, folders and globs of each part; what is not named is cut off the text to learn from."""
    folder = write(tmp_path / "a", one=LINES, two=LINES)
    held = write(tmp_path / "b", three="held\n" * 9)
    parts = load_corpus(train_file=folder, test_file=held / "*.txt", valid=0.25)
    assert [each.text for each in parts.test] == ["held\n" * 9]
    assert sum(len(each.text) for each in parts.valid) == 1500
    assert parts.how["test"] == parts.how["train"].removesuffix(", what is left") == "named by an option"
    whole = load_corpus(folder / "ptb.one.txt", valid_file=folder / "ptb.two.txt", test_file=held)
    assert [each.text for each in whole.train] == [LINES]
    assert whole.brought
    assert not parts.brought


def test_a_folder_to_learn_from_is_cut_anew_where_that_is_said(tmp_path: Path) -> None:
    """`train_file` alone pools a folder whatever its names say: the way out of names that leave a doubt."""
    folder = write(tmp_path / "repo", train=LINES, test=LINES, other=LINES)
    with pytest.raises(CarouselError, match="must say its part"):
        load_corpus(folder)
    assert len(load_corpus(train_file=folder).train) == 3


def test_a_file_in_two_parts_is_refused(tmp_path: Path) -> None:
    """By its place on the disk, whatever the path that names it."""
    folder = write(tmp_path / "a", one=LINES, two=LINES)
    (folder / "link.md").symlink_to(folder / "ptb.two.txt")
    with pytest.raises(CarouselError, match="is in train and in test"):
        load_corpus(train_file=folder, test_file=folder / "link.md")
    with pytest.raises(CarouselError, match="either --train-file or PATHS"):
        load_corpus(folder, train_file=folder)
    named = write(tmp_path / "c", train=LINES, test=LINES)
    with pytest.raises(CarouselError, match="name parts too"):
        load_corpus(named, test_file=folder)


@pytest.mark.parametrize("cut", [None, 0.2])
def test_a_copy_in_another_part_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: float | None
) -> None:
    """A test file that is a copy of the train file is told with the parts, in memory, on the disk or packed."""
    folder = write(tmp_path / "ptb", train=LINES, **{} if cut else {"valid": "valid\n" * 500})
    (folder / "ptb.test.txt.gz").write_bytes(gzip.compress(LINES.encode()))
    for _ in range(2):
        parts = load_corpus(folder, valid=cut)
        assert parts.described()["test"] == (
            "3,000 characters, 1 file (ptb.test.txt.gz), by its name; "
            "the text of ptb.test.txt.gz is in the train part too"
        )
        assert list(parts.copies) == ["test"]
        monkeypatch.setattr(corpora, "LARGE", 64)


def test_copies_among_many_files_are_told() -> None:
    """Whole files that fall into two parts are told if their texts are equal; pieces of one file are no copies."""
    texts = [f"{k}\n" * 50 for k in range(10, 50)]
    parts = split([Document(f"{k:02d}.txt", text) for k, text in enumerate(texts + texts)])
    train = {each.text for each in parts.train}
    doubled = [each.name for each in parts.test if each.text in train]
    assert doubled
    assert (
        f"; the text of {doubled[0]} and {len(doubled) - 1} more is in the train part too"
        in parts.copies["test"]
    )
    assert not split([Document(f"{k:02d}.txt", text) for k, text in enumerate(texts)]).copies
    assert not split([Document("book.txt", LINES)]).copies
