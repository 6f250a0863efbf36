"""`carousel generate RUN`: text from a trained model, printed as it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from carousel.cli.loading import loaded


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or its weights.safetensors.", show_default=False)
    ],
    prompt: Annotated[str, typer.Option(help="Text to go on from.", show_default="a new document")] = "",
    length: Annotated[
        int, typer.Option(help="Symbols to write at most; the model may end the document earlier.")
    ] = 500,
    temperature: Annotated[
        float, typer.Option(help="Below 1 more likely text, above 1 bolder; 0 the likeliest.")
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(help="Draw from the k likeliest symbols only.", show_default="all")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Draw from the smallest set of symbols that holds this probability.", show_default="all"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Equal seeds write equal text.", show_default="a new one each time")
    ] = None,
) -> None:
    """Write text with a trained model, symbol by symbol."""
    from carousel.training import load

    loaded()
    model, vocabulary = load(run)
    pieces = model.generate(
        vocabulary, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
    )
    _write(typer.style(prompt, bold=True) if sys.stdout.isatty() else prompt)
    for piece in pieces:
        _write(piece)
    _write("\n")


def _write(text: str) -> None:
    """Straight to stdout, at once; a terminal that lacks a character gets a question mark, not an error."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
