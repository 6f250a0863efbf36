"""How many threads torch uses: for a while, and in a child of this process.

The number belongs to each thread and to the process as well: torch gives every new thread the one that was set last,
wherever that was.
"""

import os
import threading
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
    """Inside, torch uses so many threads in this thread (None: as many as before).

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
        torch.set_num_threads(_last)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            _depth.value = depth
            torch.set_num_threads(before)


def _after_fork() -> None:
    """The team of threads does not come along into a child, where OpenMP would wait for it for ever."""
    global _lock, _inside
    _lock, _inside = threading.Lock(), getattr(_depth, "value", 0)  # the blocks of this thread alone
    if _core.has_lost_team():
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
