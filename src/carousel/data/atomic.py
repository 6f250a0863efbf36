"""Files written so that no moment of death leaves half of one behind."""

import os
import tempfile
from pathlib import Path

from carousel.errors import CarouselError


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Write a file as a whole: at every moment, even of a crash, `path` holds the old bytes or the new ones.

    The bytes go to a temporary file in the same folder, to the disk, and then over `path` in one rename.

    Raises CarouselError, with the old file untouched, when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    data = data.encode("utf-8") if isinstance(data, str) else data
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that nobody else may read
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise CarouselError(
            f"cannot write {path} ({len(data):,} bytes): {error.strerror}; what was there before is unchanged"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """The rename itself must reach the disk; systems that cannot open a folder do without."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
