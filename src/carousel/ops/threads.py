"""How many threads torch uses: for a while, and in a child of this process.

The number belongs to each thread and to the process as well: torch gives every new thread the one that was set last,
wherever that was.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from carousel import _core

_lock = threading.Lock()
_inside = 0  # blocks that run, in all threads
_usual = 1  # what the number was before the first of them
_last = 1  # what the latest of them set it to
_depth = threading.local()


@contextmanager
def torch_threads(number: int | None) -> Iterator[None]:
    """Inside, torch uses so many threads in this thread (None: as many as before); in a forked child always one.

    When the last of several blocks that overlap has ended, the process has the number that it had before the first.
    """
    global _inside, _usual, _last
    with _lock:
        own, depth = torch.get_num_threads(), getattr(_depth, "value", 0)
        if _inside == 0:
            _usual = own
        # a thread that began while a block of another thread ran was given the number of that block
        before = _usual if _inside and not depth and own == _last else own
        _inside, _depth.value, _last = _inside + 1, depth + 1, number or before
        _set(_last)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            _depth.value = depth
            _set(before)


def _set(number: int) -> None:
    """A child's OpenMP would wait for ever for the parent's team, whoever started that: it runs on one thread."""
    if number > 1 and _core.is_forked():
        number = 1
        warnings.warn(
            "a forked process runs on one thread, because its parent's threads do not come along. To use several "
            "threads, start the process by the method 'spawn'.",
            stacklevel=4,
        )
    torch.set_num_threads(number)


def _after_fork() -> None:
    """torch is on one thread in the child from the beginning, and the lock may have been held by another thread."""
    global _lock, _inside
    _lock, _inside = threading.Lock(), getattr(_depth, "value", 0)  # the blocks of this thread alone
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
