"""Atomic replacement of files: a reader sees the whole old file or the whole new file.

A file is written to a temporary file in the same folder (a rename is atomic only within one file system), flushed to
the disk, and renamed over the old file.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from carousel.errors import CarouselError


class StorageError(CarouselError):
    """The operating system refused to store something; nothing that was stored before is lost."""


_TEMPORARY = re.compile(r"\..+\.carousel-[0-9a-f]{16}\.part", re.DOTALL)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Replace the file `path` by `data` (text in UTF-8) in one step, whenever the process may die.

    Raises StorageError, with the old file still whole, if the disk is full or cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomic(folder / "a.txt", "kept")
    >>> (folder / "a.txt").read_text()
    'kept'
    """
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A new file to write in pieces; it replaces `path` when the block ends without an error.

    Use it for content that is too large to hold as bytes. Raises StorageError as `write_atomic` does.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(path) as file:
    ...     for piece in (b"kept, ", b"whole"):
    ...         _ = file.write(piece)
    >>> path.read_text()
    'kept, whole'
    """
    path = Path(path)
    # opened plainly so that the umask decides who may read it: tempfile's files are for their owner alone
    temporary = path.with_name(f".{path.name}.carousel-{secrets.token_hex(8)}.part")
    with storage_errors(path):
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def is_leftover(path: Path) -> bool:
    """Whether this is a temporary file that `replacing` made here, for this user."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return is_ours and stat.S_ISREG(status.st_mode) and _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left in `folder`."""
    for path in folder.iterdir():
        if is_leftover(path):
            path.unlink(missing_ok=True)


@contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn an OSError while storing `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        advice = (
            "free some space, or choose a folder on another disk"
            if error.errno in _FULL
            else "choose a folder that exists and that you may write to"
        )
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. "
            f"What was saved before is whole; {advice}."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power failure, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
