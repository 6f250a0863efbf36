"""Results show themselves: as a page in a file, and in a notebook.

This is the one place that calls up to `carousel.report`. A result holds numbers and stands below the rooms that draw
them; `report.pages` knows which page belongs to which class. A result without a page of its own is a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from carousel.atomic import write_atomic


class Table(NamedTuple):
    """Rows of text under a head. The first column names the row.

    >>> Table(("word", "cosine"), [("cat", "0.91")]).html()
    '<table><thead><tr><th>word</th><th>cosine</th></tr></thead><tbody><tr><th>cat</th><td>0.91</td></tr></tbody></table>'
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        """The table as HTML, everything escaped."""
        head = _cells("th", self.head)
        body = "".join(f"<tr>{_cells('th', row[:1])}{_cells('td', row[1:])}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def percent(share: float) -> str:
    """A share with one decimal; "-" for NaN, the share of nothing.

    >>> percent(0.125), percent(float("nan"))
    ('12.5 %', '-')
    """
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def _cells(kind: str, texts: Iterable[str]) -> str:
    return "".join(f"<{kind}>{escape(text)}</{kind}>" for text in texts)


class Shown:
    """A result that a notebook shows, and that can be saved as a page."""

    def table(self) -> Table | None:
        """The result as rows of text; None for a result that has a page of its own instead."""
        return None

    def save(self, path: str | Path) -> Path:
        """Write one HTML page that opens offline; returns its path.

        Raises CarouselError if the disk refuses. A file half written never takes the place of a good one.
        """
        write_atomic(path, self._page())
        return Path(path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the table, or the page in a frame, so that its style stays its own."""
        table = self.table()
        if table is not None:
            return table.html()
        return f'<iframe srcdoc="{escape(self._page())}" style="width:100%;height:40em;border:0"></iframe>'

    def _page(self) -> str:
        page: str = import_module("carousel.report.pages").page(self)
        return page
