"""`carousel embed analogy FILE A B C`: what is to C as B is to A."""

from __future__ import annotations

from typing import Annotated

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(analogy)


def analogy(
    file: File,
    a: Annotated[str, typer.Argument(help="A word: man")],
    b: Annotated[str, typer.Argument(help="What belongs to it: king")],
    c: Annotated[str, typer.Argument(help="Another word: woman")],
    top: Top = 5,
    method: Method = "3cosadd",
    restrict: Restrict = None,
    among: Among = None,
    odd: Odd = "strict",
    duplicates: Duplicates = "error",
) -> None:
    """Show the words that are to C as B is to A.

    carousel embed analogy vectors.safetensors man king woman
    """
    vectors = open_vectors(file, odd, duplicates)
    loaded()
    show(vectors.analogy(a, b, c, top, method=method, restrict=restrict, among=listed(among)))
