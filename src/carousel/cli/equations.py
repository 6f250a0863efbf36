"""`carousel equations CELL`: a cell's forward and backward pass, as a textbook would write them."""

from __future__ import annotations

from typing import Annotated

import typer

from carousel.errors import CarouselError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(equations)


def equations(
    cell: Annotated[
        str, typer.Argument(help="A cell, such as lstm, gru-before or rnn-tanh.", show_default=False)
    ],
    backward: Annotated[bool, typer.Option("--backward", help="The backward pass too.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="As LaTeX instead of plain text.")] = False,
) -> None:
    """Print the equations of a cell from the very graph that its kernel is made of."""
    raise CarouselError(
        "this version cannot print equations yet; read them in carousel/equations, one file per cell."
    )
