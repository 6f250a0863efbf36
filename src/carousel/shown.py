"""Results show themselves: as a page in a file, as the same page in a notebook.

This is the one place that calls up to `carousel.report`. A result holds numbers and stands below the rooms that draw
them; `report.pages` knows which page belongs to which class.
"""

from __future__ import annotations

from html import escape
from importlib import import_module
from pathlib import Path

from carousel.atomic import write_atomic


class Shown:
    """A result with a page of its own."""

    def save(self, path: str | Path) -> Path:
        """Write one HTML page that opens offline; returns its path.

        Raises CarouselError if the disk refuses. A file half written never takes the place of a good one.
        """
        write_atomic(path, self._page())
        return Path(path)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays its own: what notebooks show."""
        return f'<iframe srcdoc="{escape(self._page())}" style="width:100%;height:40em;border:0"></iframe>'

    def _page(self) -> str:
        page: str = import_module("carousel.report.pages").page(self)
        return page
