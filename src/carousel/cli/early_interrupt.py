"""Ctrl-C while modules load: an import cut short fails in ways of its own, so the process ends at once instead."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOPPED = 130  # what shells report of a process that Ctrl-C ended


@contextmanager
def loading() -> Iterator[None]:
    """Inside, until `loaded`, Ctrl-C ends the process with one line on stderr: nothing is begun yet.

    Signals belong to the main thread; in any other nothing is changed, nor where Ctrl-C is ignored, as it is
    in the background.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def check_files(*paths: str | Path | None) -> None:
    """Raise CarouselError for a path that is not there: before torch is loaded, which takes seconds.

    None and the text - (standard input) are passed over.
    """
    from carousel.data.files import find_files
    from carousel.data.opening import STDIN

    for path in paths:
        if path is not None and str(path) != STDIN and not Path(path).exists():
            find_files(path)  # a glob, or an error


def loaded() -> None:
    """A command has its modules: from here on Ctrl-C is Python's KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"carousel: interrupted\n")
    os._exit(STOPPED)
