"""The numbers of a run while it trains: rows of `metrics.csv`, and the same rows as TensorBoard events.

The CSV file decides; the events are a copy. When a process dies, both may be ahead of the checkpoint, and the last row
may be incomplete. A resumed run drops the rows beyond the checkpoint, which training writes again, and writes the
events anew from the rows that stay. So neither file shows a step twice.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from carousel.atomic import storage_errors, write_atomic
from carousel.errors import CarouselError, shown
from carousel.reading import first_line, read_file
from carousel.training.run.events import Events
from carousel.training.run.folder import RunFolder


@dataclass(frozen=True)
class CsvRow(ABC):
    """The figures of a run after `step`; a subclass adds those of its kind of model, of which some may be None."""

    step: int
    epoch: float
    seconds: float  # trained so far
    lr: float

    @classmethod
    @abstractmethod
    def of(cls, train: Any, valid: Any, *, gradient_norm: float, speed: float, **when: Any) -> Self:
        """The row of a score of train and a score of valid, or None; `when` holds the fields of every row."""

    @classmethod
    def header(cls) -> str:
        """The first line of the file."""
        return ",".join(f.name for f in fields(cls))

    def to_csv(self) -> str:
        """The values, separated by commas; an unknown value is empty."""
        values = (getattr(self, f.name) for f in fields(self))
        return ",".join("" if value is None else repr(value) for value in values)

    @classmethod
    def from_csv(cls, line: str) -> Self:
        """The row that `to_csv` wrote; raises ValueError for any other line."""
        values = line.split(",")
        if len(values) != len(fields(cls)):
            raise ValueError(f"a row of metrics has {len(fields(cls))} values; got {shown(line)}")
        for f, value in zip(fields(cls), values, strict=True):
            if not value and f.default is MISSING:
                raise ValueError(f"a row of metrics needs a value for {f.name}; got {shown(line)}")
        numbers = [float(value) if value else None for value in values[1:]]
        return cls(_step(values[0]), *numbers)  # type: ignore[arg-type]


AnyRow = TypeVar("AnyRow", bound=CsvRow)
T = TypeVar("T")
MONITOR_HEADER = "step,name,value"


def read_metrics(path: str | Path, kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of a `metrics.csv` of this kind, without an incomplete last line.

    Raises CarouselError if the file is missing or is no such file.
    """
    return _read(Path(path), kind.header(), kind.from_csv)


def _read(path: Path, header: str, parse: Callable[[str], T]) -> list[T]:
    """The complete lines after the header, parsed."""
    data = read_file(path, "the metrics of a run")
    try:
        first, *lines = data.decode().split("\n")[:-1] or [""]  # what follows the last line end is incomplete
        if first != header:
            raise ValueError(f"its first line is not {header!r}")
        return [parse(line) for line in lines]
    except ValueError as error:
        raise CarouselError(f"{path} is not the metrics of a run: {first_line(error)}.") from None


def _step(text: str) -> int:
    step = int(text)
    if not 0 <= step < 1 << 63:
        raise ValueError(f"a step is a number from 0 of 64 bits; got {shown(text)}")
    return step


def _look(line: str) -> tuple[int, str, float]:
    """(step, tag, value) of a line of monitor.csv."""
    step, tag, value = line.split(",")
    return _step(step), tag, float(value)


class Metrics:
    """Writes the rows of a run after those up to `step`, which are there already."""

    def __init__(
        self,
        folder: RunFolder,
        step: int,
        kind: type[CsvRow],
        on_damage: Callable[[str], None] = lambda what: None,
    ) -> None:
        """A file that cannot be read is renamed, and `on_damage` gets a message: such files must not stop training."""
        self._path = folder.metrics
        with storage_errors(self._path):
            found = _kept(self._path, lambda path: read_metrics(path, kind), on_damage)
            rows = [row for row in found if row.step <= step]
            looks = _kept(folder.monitor, lambda path: _read(path, MONITOR_HEADER, _look), on_damage)
            write_atomic(self._path, "\n".join([kind.header(), *(row.to_csv() for row in rows)]) + "\n")
            self._csv = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (closed in `close`)
            for old in folder.events:
                if old.is_dir() and not old.is_symlink():
                    on_damage(
                        f"{old} is a folder. It stays, and the events for TensorBoard are written beside it."
                    )
                else:
                    old.unlink()
            self._events = Events(folder.path)
            for row in rows:
                self._scalars(row)
            self._monitor = self._resume_monitor(folder.monitor, [look for look in looks if look[0] <= step])
            self._events.flush()

    def _resume_monitor(self, path: Path, looks: list[tuple[int, str, float]]) -> IO[str]:
        """Keep the looks of the monitor, and write them to the new events too."""
        lines = [f"{step},{tag},{value!r}" for step, tag, value in looks]
        write_atomic(path, "\n".join([MONITOR_HEADER, *lines]) + "\n")
        for step, tag, value in looks:
            self._events.scalars(step, {tag: value})
        return open(path, "a", encoding="utf-8")

    def look(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add the figures of the monitor after `step`, by their names in TensorBoard; raises StorageError."""
        with storage_errors(self._path):
            self._monitor.writelines(f"{step},{tag},{value!r}\n" for tag, value in numbers.items())
            self._monitor.flush()
            self._events.scalars(step, numbers)
            self._events.flush()

    def append(self, row: CsvRow) -> None:
        """Add a row to both files; raises StorageError if they cannot be written."""
        with storage_errors(self._path):
            self._csv.write(row.to_csv() + "\n")
            self._csv.flush()
            self._scalars(row)
            self._events.flush()

    def sync(self) -> None:
        """Flush the rows to the disk before a checkpoint, which relies on them."""
        with storage_errors(self._path):
            os.fsync(self._csv.fileno())

    def close(self) -> None:
        """Close both files."""
        with storage_errors(self._path):
            self._csv.close()
            self._monitor.close()
            self._events.close()

    def _scalars(self, row: CsvRow) -> None:
        values = {f.name: getattr(row, f.name) for f in fields(row) if f.name != "step"}
        known = {_tag(name): value for name, value in values.items() if value is not None}
        self._events.scalars(row.step, known)


def _kept(path: Path, read: Callable[[Path], list[T]], on_damage: Callable[[str], None]) -> list[T]:
    """The content of a file of an earlier session; a file that cannot be read is renamed."""
    if not os.path.lexists(path):
        return []
    try:
        return read(path)
    except CarouselError as error:
        aside = RunFolder.set_aside(path)
        on_damage(f"{error} It is now called {aside.name}, and training goes on without its rows.")
        return []


def _tag(name: str) -> str:
    """train_perplexity -> train/perplexity, because TensorBoard groups by what stands before the slash."""
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in ("train", "valid") else name
