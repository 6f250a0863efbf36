"""Corpora: documents read from files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from carousel.data.documents import Document, read_document
from carousel.data.files import Found, Paths, search
from carousel.data.large import LargeDocument
from carousel.data.opening import is_streamed
from carousel.data.part_names import find_parts
from carousel.data.splitting import Split, arranged
from carousel.errors import CarouselError

LARGE = 1 << 28  # bytes in all, from which on the large files of a corpus stay on the disk
_NAMED = 8  # of the files left out; the others are counted

Skip = Callable[[Path], None]


def load_corpus(
    paths: Paths = (),
    valid: float | None = None,
    test: float | None = None,
    on_skip: Skip | None = None,
    *,
    train_file: str | Path | None = None,
    valid_file: str | Path | None = None,
    test_file: str | Path | None = None,
) -> Split:
    """Read the text of files and split it into train, valid and test.

    Args:
        paths: files, folders or globs; none: the source of Python's standard library. Names that say train, valid or
            test are the split (ptb.train.txt).
        valid: share of the characters to cut off for the valid part, as `split` does; None: 0.05.
        test: share to cut off for the test part; None: 0.05.
        on_skip: called with the path of each file of a search that is empty or not text.
        train_file: a file, folder or glob to learn from, instead of `paths`.
        valid_file: the valid part, instead of a share.
        test_file: the test part, instead of a share.

    Raises CarouselError for paths that do not exist, a file in two parts, names that leave the split in doubt, a part
    without text, and a share for a part that has its own files.

    >>> corpus = load_corpus()
    >>> len(corpus.train) > len(corpus.test) > 0
    True
    """
    files, how = find_parts(paths, train_file=train_file, valid_file=valid_file, test_file=test_file)
    large = sum(found.size for part in files.values() for found in part) > LARGE
    documents = {part: _read(found, large, on_skip) for part, found in files.items()}
    return arranged(documents, how, {"valid": valid, "test": test})


def read(paths: Paths, on_skip: Skip | None = None) -> list[Document]:
    """Read the files of `paths` (see `find_files`) as UTF-8, in the order of their names.

    A document is named by its path below the deepest folder that holds all of `paths`. Files that end in .gz, .bz2
    or .xz are unpacked. The path - is standard input. If a folder or glob holds a file that is empty or not text, that
    file is skipped and passed to `on_skip`. A file that is named itself must be text.

    Raises CarouselError, with file and byte offset, for a missing path and for a file that is empty or not UTF-8.

    >>> _ = Path("letter.txt").write_text("Dear Ada")
    >>> read("letter.txt")
    [Document(name='letter.txt', text='Dear Ada')]
    """
    files = search(paths)
    return _read(files, sum(found.size for found in files) > LARGE, on_skip)


def _read(files: Sequence[Found], large: bool, on_skip: Skip | None) -> list[Document]:
    documents, skipped = [], 0
    read_one = _open_large if large else read_document
    for found in files:
        try:
            documents.append(read_one(found.path, found.name))
        except CarouselError:
            if found.explicit:
                raise
            skipped += 1
            if on_skip is not None:
                on_skip(found.path)
    if not documents:
        raise CarouselError(
            f"a corpus must have text; all {skipped} files found are empty, unreadable or not UTF-8. Name one of them "
            "itself to see why."
        )
    return documents


def _open_large(path: Path, name: str) -> Document:
    """A file of a corpus that does not fit into memory; small and compressed files are read all the same."""
    large = not is_streamed(path) and path.stat().st_size > LARGE // 64
    return LargeDocument.open(path, name) if large else read_document(path, name)


def describe_skipped(paths: Sequence[Path]) -> str:
    """A message about the files that `read` passed to `on_skip`.

    >>> describe_skipped([Path("notes/photo.jpg")])
    'left out 1 file that is not text: photo.jpg'
    """
    names = [
        path.name + (" (empty)" if path.is_file() and path.stat().st_size == 0 else "") for path in paths
    ]
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    count = "1 file that is" if len(names) == 1 else f"{len(names):,} files that are"
    return f"left out {count} not text: {', '.join(names[:_NAMED])}{more}"
