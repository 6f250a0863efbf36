"""`carousel embed`: word vectors trained, asked, measured, drawn and converted; one file for each command."""

from __future__ import annotations

import typer

from carousel.cli.embed import analogy, convert, evaluate, nearest, plot, train


def register(app: typer.Typer) -> None:
    """Train word vectors, ask, measure, draw and convert them."""
    group = typer.Typer(
        name="embed",
        help="Train word vectors, ask, measure, draw and convert them.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in (train, nearest, analogy, evaluate, plot, convert):
        command.register(group)
    app.add_typer(group)
