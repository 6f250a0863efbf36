"""Rich's console for messages that hold names, words and texts of users: `carousel.cli.output` with bars and tables."""

from typing import Any

from rich.console import Console
from rich.text import Text

from carousel.printable import printable


class Terminal(Console):
    """A console that prints strings as they are: no markup, no colours of its own, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def plain(text: str) -> Text:
    """For where Rich reads every string as markup: bars, spinners."""
    return Text(printable(text))
