"""All that commands print goes through here: no name, word or text of a file is obeyed by the terminal."""

import sys

import typer

from carousel.printable import printable


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a message."""
    typer.echo(printable(str(text)), err=err, nl=nl)


def give(text: str, *, bold: bool = False) -> None:
    """Write what was asked for, at once: to a terminal printable, to a file or another program as it is.

    An output that lacks a character gets a question mark, not an error.
    """
    encoding = sys.stdout.encoding or "utf-8"
    if sys.stdout.isatty():
        text = typer.style(printable(text), bold=True) if bold else printable(text)
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
