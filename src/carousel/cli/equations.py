"""`carousel equations CELL`: a cell's forward and backward pass, as a textbook would write them."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from carousel.cli.output import say
from carousel.errors import CarouselError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(equations)


def equations(
    cell: Annotated[str, typer.Argument(help="A cell: lstm, gru-before, rnn-tanh, ...", show_default=False)],
    backward: Annotated[bool, typer.Option("--backward", help="The backward pass too.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="As LaTeX instead of plain text.")] = False,
) -> None:
    """Print the equations of a cell, from the very graph that its kernel is made of."""
    from carousel.emit import formula
    from carousel.equations.catalogue import CELLS
    from carousel.models import cells

    # "rnn" is another name for "rnn-tanh": the same class with the same options
    cell = next(
        (name for name in CELLS if cell in cells.CELLS and cells.CELLS[name] == cells.CELLS[cell]), cell
    )
    if cell not in CELLS:
        near = difflib.get_close_matches(cell, CELLS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(CELLS)}."
        raise CarouselError(f"there is no cell {cell!r}; {hint}")
    say(formula.text(CELLS[cell].equations, backward=backward, latex=latex))
