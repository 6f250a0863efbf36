"""Progress in a notebook: one line under the cell that stays up to date."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

from carousel.progress import Event, Line, Stage


def running_shell() -> Any | None:
    """IPython's shell if this process is the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


class NotebookLine:
    """Shows events in one output: notes above, then a bar, words and figures."""

    def __init__(self) -> None:
        self._line = Line()
        self._notes: list[str] = []
        self._stage = "Starting"
        self._handle: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage):
            self._stage = str(event)
        elif event.share is not None or event.figures:
            self._stage = ""
            self._line.update(event)
        elif str(event):
            self._notes.append(str(event))
        else:
            return
        self._show()

    def __enter__(self) -> NotebookLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stage = ""
        self._show()

    def _show(self) -> None:
        from IPython.display import display

        lines = [*self._notes, self._stage or self._line.text()]
        share = "" if self._line.share is None else f' value="{self._line.share:.4f}"'
        html = "".join(f"<div>{escape(line)}</div>" for line in lines[:-1])
        html += f"<div><progress{share}></progress> {escape(lines[-1])}</div>"
        data = {"text/plain": "\n".join(filter(None, lines)), "text/html": html}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


class _Cell:
    """The line of the cell that is running."""

    count: int | None = None
    line = NotebookLine()


def new_line(shell: Any) -> NotebookLine:
    """A new line, which the work that is called without an observer in this cell shares."""
    _Cell.count, _Cell.line = shell.execution_count, NotebookLine()
    return _Cell.line


def notebook_line(event: Event) -> None:
    """The observer of callers that pass none: a notebook shows one line for each cell, a script shows nothing."""
    shell = running_shell()
    if shell is not None:
        line = _Cell.line if _Cell.count == shell.execution_count else new_line(shell)
        line(event)
