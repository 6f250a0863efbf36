"""One process at a time: a lock on a file or folder, released when its process ends, even by kill -9."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carousel.errors import CarouselError

try:
    import fcntl
except ImportError:  # Windows has no flock, so nothing keeps two processes apart there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: str | Path, what: str) -> Iterator[None]:
    """Hold the lock of `path`, a file or folder that exists, while the block runs.

    `what` is what the holder does there, for the error. Another thread of the same process is kept out as well. On a
    file system without locks, nobody is kept out.

    Raises CarouselError if another process or thread holds the lock.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with locked(folder, "trains"):
    ...     pass
    """
    with _opened(path) as descriptor:
        if not _taken(descriptor, wait=False):
            raise CarouselError(
                f"only one process at a time {what} in {path}; another one does so now. Wait for it, or stop it."
            )
        yield


@contextmanager
def in_turn(path: str | Path) -> Iterator[None]:
    """`locked`, but wait until the lock is free instead of raising."""
    with _opened(path) as descriptor:
        _taken(descriptor, wait=True)
        yield


@contextmanager
def _opened(path: str | Path) -> Iterator[int | None]:
    if fcntl is None:
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int | None, wait: bool) -> bool:
    """Whether nobody else holds the lock, as far as the file system can tell."""
    if descriptor is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        pass
    return True
