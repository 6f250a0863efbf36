"""What the columns of a table are: time, sequence, label, inputs, by their names. Loads neither torch nor NumPy."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from carousel.errors import CarouselError, shown

TASKS = ("tag", "classify", "forecast")  # a label at each step, one for a sequence, the next values


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are; several names are separated by commas, as on the command line.

    task: one of `TASKS`. target: the label's column; of a forecast the columns to be forecast (none: all numbers).
    sequence: the column that tells sequences apart (none: all rows are one). time: the column that must rise (none:
    the first one of dates, or else the first column, if it holds numbers and is named as time is). text: the column
    whose characters are the steps: each row is a sequence. inputs: the columns of numbers to read (none: all others).
    categories: columns that hold one of a few values. weight: the column of w_t.
    """

    task: str
    target: str | None = None
    sequence: str | None = None
    time: str | None = None
    text: str | None = None
    inputs: str | None = None
    categories: str | None = None
    weight: str | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise CarouselError(f"task must be one of {', '.join(TASKS)}; got {shown(self.task, 40)}.")


def names(listed: str | None, columns: Container[str] = ()) -> list[str]:
    """The names in a list that is separated by commas; the whole of it where that is one of `columns`.

    >>> names("rain, sun"), names("rain, sun", ["rain, sun", "day"])
    (['rain', 'sun'], ['rain, sun'])
    """
    if listed is not None and listed.strip() in columns:
        return [listed.strip()]
    return [name.strip() for name in (listed or "").split(",") if name.strip()]
