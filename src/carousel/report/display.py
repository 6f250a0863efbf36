"""What is shown while a run is trained: a live bar on a terminal, else plain lines now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.table import Column

from carousel.progress import Event, Note, Stage
from carousel.terminal import Terminal, plain
from carousel.training.configs import AnyConfig
from carousel.training.language.config import WORDS
from carousel.training.run.progress import Evaluated, Finished, Started, Stepped
from carousel.training.sequences.config import SequenceConfig

Measure = Callable[[Any], str]  # a score as the number one watches

SECONDS_BETWEEN_LINES = 10.0
ROOM = {4: 124, 3: 108, 2: 80}  # a figure of the bar -> columns of a terminal that it needs


class Display(Protocol):
    """Shows events; used as a context manager, so that a terminal is always given back as it was."""

    def __call__(self, event: Event) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def display(console: Terminal, config: AnyConfig) -> Display:
    """The display that fits where the output goes, of a run of such a configuration."""
    kind = LiveBar if console.is_terminal else PlainLines
    if isinstance(config, SequenceConfig):
        return kind(console, str, "steps")
    return kind(console, by_level(config.level), "tokens")


def by_level(level: str) -> Measure:
    """Of text: bits per character, or perplexity where unknown words hide their characters."""
    if level in WORDS:
        return lambda score: f"perplexity {score.perplexity:.1f}"
    return lambda score: f"{score.bits_per_character:.3f} bits/char"


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def started(event: Started) -> str:
    """One line about what is about to be trained."""
    again = f", going on at step {event.step:,}" if event.step else ""
    return (
        f"{event.parameters:,} parameters, {event.contents}, {event.steps:,} steps{again} -> {event.folder}"
    )


class PlainLines:
    """A line at each evaluation and every ten seconds: right for a log file."""

    def __init__(self, console: Terminal, measure: Measure, unit: str) -> None:
        self.console, self.measure, self.unit = console, measure, unit
        self._last = -SECONDS_BETWEEN_LINES

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage | Note):
            self._print(event.message)
        elif isinstance(event, Started):
            self._print(started(event))
        elif isinstance(event, Evaluated):
            best = ", best so far" if event.best else ""
            self._print(f"step {event.step:,}: valid {self.measure(event.score)}{best}")
        elif isinstance(event, Stepped) and time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._print(
                f"step {event.step:,} of {event.steps:,}: "
                f"{self.measure(event.score)}, "
                f"{event.tokens_per_second:,.0f} {self.unit}/s, gradient norm {event.gradient_norm:.2f}, "
                f"{clock(event.seconds_left)} left"
            )

    def _print(self, text: str) -> None:
        # Rich would wrap a line of a log at 80 columns
        self.console.print(text, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _columns(width: int) -> list[ProgressColumn]:
    """What fits beside the bar: a figure is left out whole, never cut; steps, loss and time left always stay."""
    columns: list[ProgressColumn] = [
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        _figure("[bold]{task.fields[measure]}[/]"),
        _figure("{task.fields[valid]}"),
        _figure("[dim]{task.fields[speed]}[/]"),
        _figure("[dim]{task.fields[norm]}[/]"),
        _figure("{task.fields[left]}"),
    ]
    return [column for k, column in enumerate(columns) if width >= ROOM.get(k, 0)]


def _figure(text: str) -> TextColumn:
    return TextColumn(text, table_column=Column(no_wrap=True))


class LiveBar:
    """One line that keeps itself up to date; stages and the run's size are printed above it."""

    def __init__(self, console: Terminal, measure: Measure, unit: str) -> None:
        self.console, self.measure, self.unit = console, measure, unit
        self._status = console.status("Starting")
        self._bar = Progress(
            BarColumn(bar_width=None, complete_style="dark_orange3", finished_style="dark_orange3"),
            *_columns(console.width),
            console=console,
            expand=True,
        )
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage):
            self._bar.stop()
            self._status.update(plain(event.message))
            self._status.start()
        elif isinstance(event, Note):
            self.console.print(event.message)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Stepped) and self._task is not None:
            self._bar.update(
                self._task,
                completed=event.step,
                total=event.steps,
                measure=self.measure(event.score),
                speed=f"{event.tokens_per_second:,.0f} {self.unit}/s",
                norm=f"|g| {event.gradient_norm:.2f}",
                left=f"{clock(event.seconds_left)} left",
            )
        elif isinstance(event, Evaluated) and self._task is not None:
            mark = "" if event.best else " (worse)"
            self._bar.update(self._task, valid=f"valid {self.measure(event.score)}{mark}")
        elif isinstance(event, Finished) and self._task is not None:
            self._bar.update(self._task, completed=event.step, left="done")

    def _start(self, event: Started) -> None:
        self._status.stop()
        self.console.print(started(event), style="dim")
        self._task = self._bar.add_task(
            "", total=event.steps, completed=event.step, measure="", valid="", speed="", norm="", left=""
        )
        self._bar.start()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        self._bar.stop()
