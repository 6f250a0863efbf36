"""The one error that Carousel raises for a user's mistake, and how it shows what came."""

from pathlib import PurePath
from reprlib import Repr


class CarouselError(ValueError):
    """Bad input: the message states the rule, what came instead, and what to do.

    The command line prints the message alone and exits with status 2.
    """


def shown(value: object, longest: int = 80) -> str:
    """A value as an error message shows it: its `repr`, cut after `longest` characters; a path without quotes.

    >>> shown("word"), shown(3), shown("x" * 1000, 5)
    ("'word'", '3', "'xxxxx'... (1,000 long)")
    """
    if isinstance(value, str | bytes):
        whole = len(value) <= longest
        return repr(value) if whole else f"{value[:longest]!r}... ({len(value):,} long)"
    if isinstance(value, PurePath):
        text = str(value)
    else:
        try:
            text = Repr().repr(value)
        except ValueError:  # Python writes no whole number of more than 4,300 digits
            text = "a number of more than 4,300 digits"
    return text if len(text) <= longest else f"{text[:longest]}..."
