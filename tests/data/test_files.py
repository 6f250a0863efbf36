"""Which files a corpus consists of."""

import os
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import find_files, standard_library
from carousel.data.files import search


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with text two levels deep, and hidden things that nobody asked for."""
    for name in ("b.txt", "a.md", "sub/c.py", "sub/deeper/d", ".hidden", ".git/config"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "corpus"


def names(folder: Path, *paths: str | Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_files([folder / path for path in paths])]


def test_a_folder_is_searched_recursively_without_hidden_files(tree: Path) -> None:
    """Any suffix counts; names that start with a dot do not, as files or as folders."""
    assert names(tree, ".") == ["a.md", "b.txt", "sub/c.py", "sub/deeper/d"]


def test_files_come_sorted_and_once_however_they_were_named(tree: Path) -> None:
    """A file named, globbed and searched is one file, and the order of the arguments is forgotten."""
    (tree / "link.txt").symlink_to(tree / "b.txt")
    assert names(tree, "sub", "b.txt", "*.txt", "sub/c.py") == ["b.txt", "sub/c.py", "sub/deeper/d"]


def test_globs_match_files_and_folders_at_any_depth(tree: Path) -> None:
    """** crosses folders; a folder that matches is searched."""
    assert names(tree, "**/*.py") == ["sub/c.py"]
    assert names(tree, "s*") == ["sub/c.py", "sub/deeper/d"]


def test_a_file_whose_name_looks_like_a_glob_is_still_a_file(tree: Path) -> None:
    """The literal path wins over the pattern."""
    (tree / "notes[1].txt").write_text("x")
    assert names(tree, "notes[1].txt") == ["notes[1].txt"]


def test_one_path_may_stand_alone(tree: Path) -> None:
    """A string is one path, not a sequence of letters."""
    assert len(find_files(str(tree))) == len(find_files(tree)) == 4


def test_names_are_relative_to_the_root_wherever_the_corpus_lies(tree: Path) -> None:
    """A folder, a glob and the files it stands for give the same names, on which the split depends."""
    expected = ["a.md", "b.txt"]
    assert [found.name for found in search([tree / "*.*"])] == expected
    assert [found.name for found in search([tree / "b.txt", tree / "a.md"])] == expected
    moved = tree.rename(tree.parent / "elsewhere")
    assert [found.name for found in search(moved)] == [*expected, "sub/c.py", "sub/deeper/d"]


def test_several_folders_are_told_apart_by_name(tree: Path) -> None:
    """Equal file names in two folders stay different documents."""
    (tree / "other").mkdir()
    (tree / "other" / "c.py").write_text("x")
    assert [found.name for found in search([tree / "other", tree / "sub"])] == [
        "other/c.py",
        "sub/c.py",
        "sub/deeper/d",
    ]


def test_standard_input_stands_alone(tree: Path) -> None:
    """The path - is no file to look for, and cannot be read beside others."""
    assert [(found.name, found.size, found.explicit) for found in search("-")] == [("-", 0, True)]
    with pytest.raises(CarouselError, match="must be the only path; got 2 paths"):
        search([tree, "-"])


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("missing.txt", "must exist"),
        ("*.pdf", "matches none"),
        ("empty", "at least one file"),
        ("pipe", "neither"),
    ],
)
def test_a_path_without_files_is_refused_by_name(tree: Path, given: str, rule: str) -> None:
    """The message holds the rule and the path that broke it."""
    (tree / "empty").mkdir()
    os.mkfifo(tree / "pipe")  # reading one would wait for ever
    with pytest.raises(CarouselError, match=rule) as error:
        find_files([tree, tree / given])
    assert str(tree / given) in str(error.value)


def test_no_path_at_all_is_refused() -> None:
    """The default corpus is chosen by name, not by an empty list."""
    with pytest.raises(CarouselError, match="got none"):
        find_files([])


def test_the_standard_library_is_source_without_tests_and_tables() -> None:
    """It is large, readable, and holds neither near-copies nor installed packages nor its own tests."""
    found = standard_library()
    parts = {part for path in found for part in path.parts[path.parts.index(Path(os.__file__).parent.name) :]}
    assert len(found) > 200
    assert sum(path.stat().st_size for path in found) > 4_000_000
    assert {path.suffix for path in found} == {".py"}
    assert not parts & {
        "test",
        "tests",
        "idle_test",
        "encodings",
        "pydoc_data",
        "site-packages",
        "dist-packages",
    }
    assert not [path for path in found if path.name.startswith("_sysconfigdata")]
    assert {"argparse.py", "heapq.py", "typing.py"} <= {path.name for path in found}
    assert found == sorted(found)
