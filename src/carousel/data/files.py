"""The files of a corpus: from files, folders and globs, in the same order on every machine."""

import glob
import os
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carousel.data.opening import STDIN
from carousel.errors import CarouselError

Paths = str | Path | Sequence[str | Path]

# tests are not prose of the library; encodings and pydoc_data are tables whose near-copies would leak across
# a split
_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "encodings", "pydoc_data", "site-packages", "dist-packages", "__pycache__"}
)
# written by the build or by the distributor of this very Python
_GENERATED = ("_sysconfigdata", "sitecustomize", "usercustomize")


@dataclass(frozen=True)
class Found:
    """A file of a corpus."""

    path: Path
    name: str  # its path below the root
    explicit: bool  # whether it was named itself, and not found in a folder or by a glob

    @property
    def size(self) -> int:
        """Bytes on the disk; 0 for standard input."""
        return 0 if str(self.path) == STDIN else self.path.stat().st_size


def find_files(paths: Paths) -> list[Path]:
    """The files of `paths`, which are files, folders (searched recursively) or globs; sorted, each once.

    A search skips hidden files and folders, and links to folders. It does not look whether a file is text. The path -
    is standard input, and must be the only path.

    Raises CarouselError for a path that does not exist, a glob without a match, and a folder without files.

    >>> Path("notes").mkdir()
    >>> _ = Path("notes/monday.txt").write_text("rain"), Path("emma.txt").write_text("Emma")
    >>> [path.name for path in find_files(["notes/", "em*.txt"])]
    ['emma.txt', 'monday.txt']
    """
    return [found.path for found in search(paths)]


def search(paths: Paths) -> list[Found]:
    """`find_files`, each file with its name below the root: the deepest folder that holds all of `paths`."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise CarouselError("a corpus needs at least one file, folder or glob; got none. Pass a path.")
    if STDIN in map(str, given):
        if len(given) > 1:
            raise CarouselError(
                f"standard input, -, must be the only path; got {len(given)} paths. Pass one of them."
            )
        return [Found(Path(STDIN), STDIN, True)]
    roots: list[str] = []
    explicit: dict[str, bool] = {}  # real path -> named itself? what a search finds again stays named
    where: dict[str, str] = {}  # real path -> path as given
    for path in given:
        root, files, named = _expand(os.path.abspath(os.path.expanduser(path)), str(path))
        roots.append(root)
        for file in files:
            real = os.path.realpath(file)
            explicit[real] = explicit.get(real, False) or named
            where[real] = min(where.get(real, file), file)
    common = Path(os.path.commonpath(roots))
    found = (
        Found(Path(file), Path(file).relative_to(common).as_posix(), explicit[real])
        for real, file in where.items()
    )
    return sorted(found, key=lambda one: one.name)


def _expand(path: str, given: str) -> tuple[str, list[str], bool]:
    """(root, files, named explicitly?) of one path; the literal path wins over its reading as a glob."""
    if os.path.isdir(path):
        files = list(_walk(path))
        if not files:
            raise CarouselError(
                f"a folder must have at least one file that is not hidden; {given} has none. Pass another."
            )
        return path, files, False
    if os.path.isfile(path):
        return os.path.dirname(path), [path], True
    if os.path.lexists(path):
        raise CarouselError(
            f"text is read from files and folders; {given} is neither (or a broken link). Pass another."
        )
    if not glob.has_magic(path):
        raise CarouselError(f"every path must exist; there is no file or folder {given}. Check its spelling.")
    matches = glob.glob(path, recursive=True)
    files = [file for match in matches for file in ([match] if os.path.isfile(match) else _walk(match))]
    if not files:
        raise CarouselError(f"a glob must match at least one file; {given} matches none. Check its spelling.")
    return _root_of_glob(path), files, False


def _root_of_glob(pattern: str) -> str:
    """The folder above the first part with a wildcard."""
    path = Path(pattern)
    first = next(k for k, part in enumerate(path.parts) if glob.has_magic(part))
    return str(Path(*path.parts[:first]))


def _walk(folder: str) -> Iterator[str]:
    """The files under a folder that are not hidden."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.isfile(os.path.join(where, name)):
                yield os.path.join(where, name)


def standard_library() -> list[Path]:
    """The source files of Python's own standard library: the default corpus, about 10 MB, without a download.

    Tests, encodings/, pydoc_data/, installed packages, generated files and empty files are left out. In a virtual
    environment, this is the library of the Python that the environment was made from.

    Raises CarouselError if this Python has no source files.

    >>> "argparse.py" in [path.name for path in standard_library()]
    True
    """
    root = sysconfig.get_paths()["stdlib"]
    found = []
    for where, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in _LEFT_OUT and not name.startswith((".", "config-"))
        )
        for name in sorted(names):
            if name.endswith(".py") and not name.startswith((".", *_GENERATED)):
                found.append(Path(where, name))
    found = sorted(path for path in found if path.stat().st_size > 0)
    if not found:
        raise CarouselError(
            f"the standard library of this Python must have source files; {root} has none. Name a text to train on."
        )
    return found
