"""From a table to sequences: which column is the time, which groups rows to sequences, what is read, what learned."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from carousel.data.sequences.columns import check_order, holds_dates, numbers, times
from carousel.data.sequences.examples import Example, Sequences
from carousel.data.sequences.layout import Layout, names
from carousel.data.sequences.table import Table, is_number
from carousel.errors import CarouselError

# names of a first column that is taken as the time
TIMES = ("time", "t", "step", "date", "timestamp", "year", "month", "index")


def from_table(
    table: Table, layout: Layout, *, labelled: bool = True, columns: Iterable[str] | None = None
) -> Sequences:
    """The sequences of a table. `labelled`: labels must be there, as training needs them.

    columns: the columns of numbers that a model reads, in its order; None: those that `layout` names.

    Raises CarouselError for names that are not columns, time that does not rise, cells that are not numbers, labels
    that are missing or change within a sequence, and a table with nothing to read.
    """
    if layout.task != "forecast" and layout.target is None:
        raise CarouselError(
            f"task {layout.task} needs target, the column that holds the label. The columns of {table.source} are: "
            f"{', '.join(table.columns)}."
        )
    if labelled:
        for name in names(layout.target, table.columns):
            table.column(name, "target")
    return _spelled(table, layout, labelled) if layout.text else _rows(table, layout, labelled, columns)


def _spelled(table: Table, layout: Layout, labelled: bool) -> Sequences:
    """Each row a sequence, its text spelled character by character."""
    if layout.task != "classify":
        raise CarouselError(
            f"text, which makes each row a sequence, is for task classify; got task {layout.task}. Change one of them."
        )
    beside = [name for name in ("sequence", "time", "inputs", "categories") if getattr(layout, name)]
    if beside:
        raise CarouselError(
            f"text must be the only column that is read; got {' and '.join(beside)} too. Leave that out."
        )
    texts = table.column(str(layout.text), "text")
    weights = _weights(table, layout, labelled)
    labels = _labels(table, layout, labelled)
    items = []
    for row, text in enumerate(texts):
        if not text:
            raise CarouselError(f"{table.at(row)}: the column {layout.text!r} must hold text; it is empty.")
        label = None if labels is None else _known(table, layout, labels, row, labelled)
        weight = None if weights is None else float(weights[row])
        symbols = np.array(list(text), dtype=object)[:, None]
        items.append(Example(np.empty((len(text), 0)), symbols, label, weight, text))
    return Sequences(items, (), (str(layout.text),), source=table.source)


def _rows(table: Table, layout: Layout, labelled: bool, known: Iterable[str] | None) -> Sequences:
    """Each row a step of the sequence that it belongs to."""
    time = layout.time or _time(table, layout, known)
    symbols = names(layout.categories, table.columns)
    targets = names(layout.target, table.columns) if layout.task == "forecast" else []
    read = _inputs(table, layout, time, symbols, targets) if known is None else list(known)
    columns = [numbers(table, name, "target" if name in targets else "inputs") for name in read]
    if not read and not symbols:
        raise CarouselError(
            f"{table.source} must have a column of numbers to learn from; its columns are: {', '.join(table.columns)}. "
            "Add one, or name in categories those with one of a few values, or in text the one to read by characters."
        )
    if layout.task == "forecast" and not read:
        raise CarouselError(f"a forecast needs a column of numbers; {table.source} has none. Add one.")
    values = np.stack(columns, axis=1) if columns else np.empty((table.rows, 0))
    signs = [table.column(name, "categories") for name in symbols]
    marks = np.array(signs, dtype=object).T if signs else np.empty((table.rows, 0), dtype=object)
    labels = _labels(table, layout, labelled) if layout.task != "forecast" else None
    weights = _weights(table, layout, labelled)
    moments = None if time is None else times(table, time)
    items = []
    for name, rows in _groups(table, layout.sequence).items():
        if time is not None and moments is not None:
            check_order(table, time, moments, rows, given=layout.time is not None)
        label, weight = _told(table, layout, labels, weights, rows, labelled)
        items.append(Example(values[rows], marks[rows], label, weight, name))
    number = (len(targets) or len(read)) if layout.task == "forecast" else 0
    return Sequences(items, tuple(read), tuple(symbols), number, table.source, time)


def _inputs(
    table: Table, layout: Layout, time: str | None, symbols: list[str], targets: list[str]
) -> list[str]:
    """The columns of numbers that are read, those to be forecast first."""
    spent = {layout.sequence, time, layout.weight, *symbols, *targets}
    if layout.task != "forecast":
        spent.add(layout.target)
    wanted = names(layout.inputs, table.columns)
    for name in wanted:
        table.column(name, "inputs")
        if name in spent - set(targets):
            raise CarouselError(
                f"a column must have one use; inputs names {name!r}, which another option names too. Name it once."
            )
    free = wanted or [name for name in table.columns if name not in spent]
    return targets + [name for name in free if name not in targets]


def _time(table: Table, layout: Layout, known: Iterable[str] | None) -> str | None:
    """The time column among those that no option names and that no model reads as inputs; None without one.

    It is the first column of dates, which cannot be read as numbers. Without dates it is the first column, if that
    holds numbers and is called time or the like.
    """
    several = (layout.target, layout.categories, layout.inputs)
    named = {layout.sequence, layout.weight, *(known or ())}
    named.update(name for listed in several for name in names(listed, table.columns))
    free = {name: cells for name, cells in table.columns.items() if name not in named}
    dates = next((name for name, cells in free.items() if holds_dates(cells)), None)
    first = next(iter(free), "")
    is_time = first.lower() in TIMES and any(is_number(cell) for cell in free[first])
    return dates or (first if is_time else None)


def _groups(table: Table, name: str | None) -> dict[str, np.ndarray]:
    """The rows of each sequence, sequences in the order in which they first appear."""
    if name is None:
        return {"": np.arange(table.rows)}
    found: dict[str, list[int]] = {}
    for row, cell in enumerate(table.column(name, "sequence")):
        if not cell:
            raise CarouselError(
                f"{table.at(row)}: the column {name!r} must name the sequence of each row; it is empty. Fill it."
            )
        found.setdefault(cell, []).append(row)
    return {key: np.array(rows) for key, rows in found.items()}


def _labels(table: Table, layout: Layout, labelled: bool) -> list[str] | None:
    """The cells of the label column; None if it is missing and not needed."""
    name = str(layout.target)
    return table.column(name, "target") if labelled or name in table.columns else None


def _weights(table: Table, layout: Layout, labelled: bool) -> np.ndarray | None:
    """w_t of each row; None if nothing is learned."""
    if layout.weight is None or not labelled:
        return None
    values = numbers(table, layout.weight, "weight")
    wrong = np.flatnonzero(~(values >= 0))
    if wrong.size:
        raise CarouselError(
            f"{table.at(int(wrong[0]))}: weights must be numbers of at least 0; got "
            f"{table.columns[layout.weight][wrong[0]]!r} in the column {layout.weight!r}. Correct it."
        )
    return values


def _told(
    table: Table,
    layout: Layout,
    labels: list[str] | None,
    weights: np.ndarray | None,
    rows: np.ndarray,
    labelled: bool,
) -> tuple[Any, Any]:
    """The labels and weights of a sequence, one for each step; for task classify one label and one weight."""
    if layout.task != "classify":
        own = None if labels is None else [None if _missing(labels[row]) else labels[row] for row in rows]
        return own, None if weights is None else weights[rows]
    weight = None if weights is None else float(weights[rows[0]])
    if labels is None:
        return None, weight
    for before, row in itertools.pairwise(rows):
        if labels[row] != labels[before]:
            raise CarouselError(
                f"{table.at(int(row))}: with task classify a sequence must have one label; got {labels[before]!r} and "
                f"then {labels[row]!r} in the column {layout.target!r}. "
                + (
                    "Name the column of sequence names as sequence, or choose task tag."
                    if layout.sequence is None
                    else "For a label at each step choose task tag."
                )
            )
    return _known(table, layout, labels, int(rows[0]), labelled), weight


def _known(table: Table, layout: Layout, labels: list[str], row: int, labelled: bool) -> str | None:
    if not _missing(labels[row]):
        return labels[row]
    if labelled:
        raise CarouselError(
            f"{table.at(row)}: every sequence must have a label; that in the column {layout.target!r} is missing. "
            "Leave such sequences out."
        )
    return None


def _missing(label: str) -> bool:
    """Words such as none may well be labels."""
    return label in ("", "?")
