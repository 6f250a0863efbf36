"""Cells of a column become numbers here: numbers with gaps, and moments of time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from carousel.data.sequences.table import MISSING, Table, is_number
from carousel.errors import CarouselError

TRUTH = {"false": 0.0, "true": 1.0}
_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}([ T].*)?")  # 1/01/2020, 31.12.2020
_COMMA = re.compile(r"[-+]?[\d.]*,\d+")  # 1,5 or 1.234,5


def numbers(table: Table, name: str, option: str = "inputs") -> np.ndarray:
    """A column as float64 (rows,), NaN for a missing cell; 1 and 0 if all cells are True or False.

    Raises CarouselError, with the line, for a cell that is not a finite number.
    """
    cells = table.column(name, option)
    known = [cell for cell in cells if cell.lower() not in MISSING]
    if not known:
        raise CarouselError(
            f"the column {name!r} of {table.source} must hold values; every cell is empty. To leave it out, name the "
            f"columns to read in inputs{', and to forecast in target' if option == 'target' else ''}."
        )
    if all(cell.lower() in TRUTH for cell in known):
        return np.array([TRUTH.get(cell.lower(), math.nan) for cell in cells])
    if not any(is_number(cell) for cell in known):
        advice = _spelling(known[0]) or "Name it in categories if each step is one of a few values"
        raise CarouselError(
            f"the column {name!r} of {table.source} must hold numbers; its first value is {known[0]!r}. {advice}, or "
            "name the columns to read in inputs."
        )
    values = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            continue
        if not is_number(cell) or not math.isfinite(float(cell)):
            advice = _spelling(cell) or "Correct it, leave it empty if it is not known"
            raise CarouselError(
                f"{table.at(row)}: the column {name!r} must hold finite numbers; got {cell!r}. {advice}, or name the "
                "column in categories."
            )
        values[row] = float(cell)
    return values


def times(table: Table, name: str) -> np.ndarray:
    """A column of moments as float64: numbers unchanged, ISO dates (2026-11-28, with or without a time) in seconds.

    Raises CarouselError, with the line, for a cell that is neither, or missing.
    """
    cells = table.column(name, "time")
    read = float if is_number(cells[0]) else _seconds
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            values[row] = read(cell)
        except ValueError:
            values[row] = math.nan
        if not math.isfinite(values[row]):
            raise CarouselError(
                f"{table.at(row)}: the time column {name!r} must hold numbers or ISO dates, such as 2026-11-28 or "
                f"2026-11-28T13:45, of one kind and in every row; got {cell!r}."
            )
    return values


def holds_dates(cells: Sequence[str]) -> bool:
    """Whether every cell is an ISO date."""
    try:
        return all(math.isfinite(_seconds(cell)) for cell in cells)
    except ValueError:
        return False


def check_order(
    table: Table, name: str, moments: np.ndarray, rows: np.ndarray, *, given: bool = True
) -> None:
    """Raise CarouselError unless time rises from each of these rows of one sequence to the next.

    given: whether an option named this column as the time.
    """
    steps = np.diff(moments[rows])
    if (steps > 0).all():
        return
    k = int(np.flatnonzero(steps <= 0)[0])
    first, second = rows[k], rows[k + 1]
    cells = table.column(name, "time")
    rule = "twice in one sequence" if steps[k] == 0 else "before the row above it"
    raise CarouselError(
        f"{table.at(second)}: time must rise from row to row, but {cells[second]!r} in the column {name!r} comes "
        f"{rule} ({table.places[first]}: {cells[first]!r}). Sort the rows by time, with one for each moment. If "
        "they belong to several sequences, name the column of sequence names as sequence."
        + (
            ""
            if given
            else f" {name!r} was taken as the time. If it is not, name the columns to read in inputs."
        )
    )


def _spelling(cell: str) -> str:
    """How to write a cell that is a date or a number in another notation; else nothing."""
    if _DATE.fullmatch(cell):
        return "Write dates as ISO dates, such as 2020-01-31, and the column is the time"
    if _COMMA.fullmatch(cell):
        return "Write numbers with a decimal point, such as 1.5"
    return ""


def _seconds(cell: str) -> float:
    month = len(cell) == 7 and cell[4:5] == "-"  # 1949-01
    moment = datetime.fromisoformat(f"{cell}-01" if month else cell)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
