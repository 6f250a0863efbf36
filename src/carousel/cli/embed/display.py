"""What `carousel embed train` shows while it works: a live bar on a terminal, else plain lines now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from carousel.embeddings.progress import Evaluated, Finished, Reading, Started, Stepped
from carousel.progress import Event, Note, Observer, Stage
from carousel.report.display import SECONDS_BETWEEN_LINES, clock
from carousel.terminal import Terminal, plain


@contextmanager
def display(console: Terminal) -> Iterator[Observer]:
    """The observer that fits where the output goes; a terminal is always given back as it was."""
    if not console.is_terminal:
        yield PlainLines(console)
        return
    bar = LiveBar(console)
    try:
        yield bar
    finally:
        bar.stop()


def started(event: Started) -> str:
    """One line about what is about to be trained."""
    again = f", going on after {100 * event.done:.0f} %" if event.done else ""
    return (
        f"{event.vocabulary:,} words, {event.tokens:,} tokens, {event.epochs} epochs, "
        f"{event.threads} thread{'s' if event.threads > 1 else ''}{again}"
    )


def _reading(event: Reading) -> str:
    return f"reading: {event.tokens:,} tokens, {event.words:,} different words"


def _speed(event: Stepped) -> str:
    return f"{event.words_per_second / 1e6:.2f} M words/s  lr {event.lr:.4f}"


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"loss {loss:.4f}"


class PlainLines:
    """A line at each estimate of the loss and every ten seconds: right for a log file."""

    def __init__(self, console: Terminal) -> None:
        self.console = console
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage | Note):
            self._print(event.message)
        elif isinstance(event, Started):
            self._print(started(event))
        elif isinstance(event, Evaluated):
            self._print(
                f"epoch {event.epoch:.2f}: held-out loss {event.loss:.4f}{', best so far' * event.best}"
            )
        elif isinstance(event, Finished):
            self._print(f"{event.words_per_second / 1e6:.2f} M words/s, {clock(event.seconds)} in all")
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            if isinstance(event, Reading):
                self._print(_reading(event))
            elif isinstance(event, Stepped):
                parts = [f"epoch {event.epoch:.2f}", _loss(event.loss), _speed(event)]
                self._print(", ".join(filter(None, [*parts, f"{clock(event.seconds_left)} left"])))

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        self.console.print(text, soft_wrap=True)


class LiveBar:
    """One line that keeps itself up to date, with the loss, words a second, learning rate and time left."""

    def __init__(self, console: Terminal) -> None:
        self.console = console
        self._status = console.status("Starting")
        self._bar = Progress(
            BarColumn(bar_width=None, complete_style="dark_orange3", finished_style="dark_orange3"),
            TextColumn("{task.fields[epoch]}"),
            TextColumn("[bold]{task.fields[loss]}[/]"),
            TextColumn("[dim]{task.fields[speed]}[/]"),
            TextColumn("{task.fields[left]}"),
            console=console,
            expand=True,
        )
        self._task: TaskID | None = None
        self._status.start()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage | Reading):
            self._status.update(plain(event.message if isinstance(event, Stage) else _reading(event)))
        elif isinstance(event, Note):
            self.console.print(event.message)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Stepped) and self._task is not None:
            self._bar.update(
                self._task,
                completed=event.tokens,
                total=event.total,
                epoch=f"epoch {event.epoch:.2f}",
                loss=_loss(event.loss),
                speed=_speed(event),
                left=f"{clock(event.seconds_left)} left",
            )
        elif isinstance(event, Evaluated) and self._task is not None:
            self._bar.update(self._task, loss=_loss(event.loss) + ("" if event.best else " (no better)"))
        elif isinstance(event, Finished) and self._task is not None:
            self._bar.update(self._task, left=f"{clock(event.seconds)} in all")

    def _start(self, event: Started) -> None:
        self._status.stop()
        self.console.print(started(event), style="dim")
        self._task = self._bar.add_task("", total=1, completed=0, epoch="", loss="", speed="", left="")
        self._bar.start()

    def stop(self) -> None:
        """Give the terminal back."""
        self._status.stop()
        self._bar.stop()
