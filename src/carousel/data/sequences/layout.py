"""The use of each column of a table: time, sequence, label, inputs. Loads neither torch nor NumPy."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from carousel.errors import CarouselError, shown

TASKS = ("tag", "classify", "forecast")  # a label at each step, one for a sequence, the next values


@dataclass(frozen=True)
class Layout:
    """The use of the columns of a table; several names are separated by commas, as on the command line."""

    task: str  # one of TASKS
    target: str | None = (
        None  # the column of the label; of a forecast the columns to forecast (none: all numbers)
    )
    sequence: str | None = None  # the column of sequence names (none: all rows are one sequence)
    # the column that must rise (none: the first of dates, or a first column of numbers with a name such as time)
    time: str | None = None
    text: str | None = None  # the column whose characters are the steps: each row is a sequence
    inputs: str | None = None  # the columns of numbers to read (none: all others)
    categories: str | None = None  # columns with one of a few values
    weight: str | None = None  # the column of w_t

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise CarouselError(f"task must be one of {', '.join(TASKS)}; got {shown(self.task, 40)}.")


def names(listed: str | None, columns: Container[str] = ()) -> list[str]:
    """The names in a list with commas; the whole text if that is one of `columns`.

    >>> names("rain, sun"), names("rain, sun", ["rain, sun", "day"])
    (['rain', 'sun'], ['rain, sun'])
    """
    if listed is not None and listed.strip() in columns:
        return [listed.strip()]
    return [name.strip() for name in (listed or "").split(",") if name.strip()]
