"""A table of text cells from a CSV file or a pandas DataFrame. `columns` turns the cells into numbers."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carousel.errors import CarouselError

DELIMITERS = ",;\t"  # the one that is most frequent in the first line
MISSING = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "?")
)  # cells without a value, in upper or lower case


@dataclass(frozen=True)
class Table:
    """Columns of text by name, all of the same length."""

    source: str
    columns: dict[str, list[str]]
    places: list[str]  # of each row, for errors: "line 7"

    @property
    def rows(self) -> int:
        return len(self.places)

    def column(self, name: str, option: str) -> list[str]:
        """The cells of a column that `option` names; raises CarouselError if there is none of that name."""
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise CarouselError(
                f"{option} names the column {name!r}, which {self.source} does not have. {hint}"
                f"Its columns are: {', '.join(self.columns)}."
            )
        return self.columns[name]

    def at(self, row: int) -> str:
        """The place of a row, with which an error begins."""
        return f"{self.source}, {self.places[row]}"


def read_table(path: str | Path) -> Table:
    """Read a CSV or TSV file whose first line names the columns.

    Raises CarouselError for a file that is missing, empty or not text, for column names that are missing or double, for
    rows with too many or too few cells, and for a file without rows.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            if not head.strip():
                raise CarouselError(
                    f"{path} is empty. Its first line must name the columns, and the other lines hold the rows."
                )
            file.seek(0)
            rows = csv.reader(file, delimiter=max(DELIMITERS, key=head.count), strict=True)
            return _table(str(path), rows)
    except FileNotFoundError:
        raise CarouselError(f"{path} does not exist. Give the path of a CSV file.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CarouselError(f"{path} is not a readable CSV file: {error}") from None


def _table(source: str, rows: Any) -> Table:
    names = [name.strip() for name in next(rows)]
    _check_names(source, names)
    cells: list[list[str]] = [[] for _ in names]
    places = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            raise CarouselError(
                f"{source}, line {rows.line_num}: every row must have a cell for each of the {len(names)} columns; "
                f"this one has {len(row)}. Put text that holds the delimiter between double quotes."
            )
        for column, cell in zip(cells, row, strict=True):
            column.append(cell.strip())
        places.append(f"line {rows.line_num}")
    if not places:
        raise CarouselError(
            f"{source} must have rows below its first line, which names the columns; it has none."
        )
    return Table(source, dict(zip(names, cells, strict=True)), places)


def _check_names(source: str, names: list[str]) -> None:
    double = [name for name, count in Counter(names).items() if count > 1]
    if double or "" in names:
        what = "one column has no name" if "" in names else f"{double[0]!r} occurs twice"
        raise CarouselError(f"the first line of {source} must give each column a name of its own; {what}.")
    if all(is_number(name) for name in names):
        raise CarouselError(
            f"the first line of {source} must name the columns; it holds numbers alone: {', '.join(names[:4])}. "
            "Put a line with names above it."
        )


def is_frame(data: Any) -> bool:
    """Whether this is a pandas DataFrame, without importing pandas."""
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns")


def table_of_frame(frame: Any) -> Table:
    """The table that a pandas DataFrame holds; its index is not a column: `frame.reset_index()` makes it one."""
    if not len(frame):
        raise CarouselError("the DataFrame must have at least one row; it has none. Add one.")
    names = [str(name) for name in frame.columns]
    _check_names("the DataFrame", names)
    columns = {
        name: ["" if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
        for name, (_, values) in zip(names, frame.items(), strict=True)
    }
    return Table("the DataFrame", columns, [f"row {label}" for label in frame.index])


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()


def is_number(cell: str) -> bool:
    """Whether a cell is a number; NaN and other missing values are not."""
    try:
        return cell.lower() not in MISSING and float(cell) == float(cell)
    except ValueError:
        return False
