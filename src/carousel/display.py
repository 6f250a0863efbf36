"""What is shown while work takes long: a live bar on a terminal, one line in a notebook, else plain lines of a log."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext

from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from carousel.notebook import new_line, running_shell
from carousel.progress import Event, Line, Observer, Stage, silent
from carousel.terminal import Terminal, plain

SECONDS_BETWEEN_LINES = 10.0
_BAR = 16  # columns of a bar at least


def display(console: Terminal, *, transient: bool = False) -> AbstractContextManager[Observer]:
    """The observer that fits where the output goes; a terminal is always given back as it was.

    transient: the bar of a terminal disappears at the end, and a log gets nothing.
    """
    shell = running_shell()
    if shell is not None:
        return new_line(shell)
    if console.is_terminal:
        return LiveBar(console, transient)
    return nullcontext(silent if transient else PlainLines(console))


class PlainLines:
    """Whole lines for a log file: notes, what was measured, and every ten seconds how far the work is."""

    def __init__(self, console: Terminal) -> None:
        self.console = console
        self._last: dict[type[Event], float] = {}

    def __call__(self, event: Event) -> None:
        words, figures = str(event), ", ".join(filter(None, event.figures.values()))
        if event.share is not None:
            now = time.monotonic()
            if now - self._last.get(type(event), -math.inf) < SECONDS_BETWEEN_LINES:
                return
            self._last[type(event)] = now
        if event.share is not None:
            words += f": {figures}" * bool(figures)
        if words:
            # Rich would wrap a line of a log at 80 columns
            self.console.print(words, soft_wrap=True)


class LiveBar:
    """One line that keeps itself up to date; notes are printed above the line."""

    def __init__(self, console: Terminal, transient: bool = False) -> None:
        self.console = console
        self._line = Line()
        self._status = console.status("Starting")
        self._bar = Progress(
            BarColumn(bar_width=None, complete_style="dark_orange3", finished_style="dark_orange3"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            expand=True,
            transient=transient,
        )
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage):
            self._bar.stop()
            self._status.update(plain(str(event)))
            self._status.start()
        elif event.share is not None or event.figures:
            self._line.update(event)
            self._show()
        elif str(event):
            self.console.print(str(event))

    def _show(self) -> None:
        if self._line.share is None:
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=1.0)
        text = plain(self._line.text(self.console.width - _BAR)).plain
        self._bar.update(self._task, completed=self._line.share, description=text)
        self._status.stop()
        self._bar.start()

    def __enter__(self) -> LiveBar:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()
        self._bar.stop()
