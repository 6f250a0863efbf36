"""`carousel embed nearest FILE WORD ...`: the words that are near to some and far from others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.early_interrupt import loaded
from carousel.cli.embed.arguments import (
    Among,
    Duplicates,
    File,
    Method,
    Odd,
    Restrict,
    Top,
    listed,
    open_vectors,
    show,
)
from carousel.cli.output import give, say
from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.embeddings import Vectors


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(nearest)


def nearest(
    file: File,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words; without any, each line typed or piped in is a question (`king woman -man`)."
        ),
    ] = None,
    minus: Annotated[
        list[str] | None, typer.Option(help="A word to be far from; may be given again.", show_default=False)
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Ask each word on its own.")] = False,
    top: Top = 10,
    method: Method = "3cosadd",
    restrict: Restrict = None,
    among: Among = None,
    odd: Odd = "strict",
    duplicates: Duplicates = "error",
) -> None:
    """Show the words nearest to all WORDS together, with the cosine.

    carousel embed nearest vectors.safetensors king woman --minus man
    """
    if each and minus:
        raise CarouselError(
            "--each asks single words, so that --minus has nothing to be taken from; choose one."
        )
    if minus and not words:
        raise CarouselError("--minus needs a word to be taken from; give WORDS too.")
    ask: dict[str, Any] = {"restrict": restrict, "among": listed(among)}
    vectors = open_vectors(file, odd, duplicates)
    loaded()
    if not words:
        _converse(vectors, top, method, ask)
    elif each:
        for word, found in zip(words, vectors.nearest_each(words, top, **ask), strict=True):
            give(f"{word}\n")
            show(found)
    else:
        show(vectors.nearest(words, minus or [], top, method=method, **ask))


def _converse(vectors: Vectors, top: int, method: str, ask: dict[str, Any]) -> None:
    """Answer a question on each line; a mistake is told, and the next line is read."""
    for line in _lines():
        words = line.split()
        positive = [word for word in words if word in vectors or not word.startswith("-")]
        negative = [word[1:] for word in words if word not in positive]
        try:
            show(vectors.nearest(positive, negative, top, method=method, **ask))
        except CarouselError as error:
            say(f"carousel: {error}", err=True)


def _lines() -> Iterator[str]:
    shown = sys.stdin.isatty()
    while True:
        if shown:
            say("words: ", nl=False)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line
