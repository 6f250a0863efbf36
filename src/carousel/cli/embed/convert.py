"""`carousel embed convert FROM TO`: vectors from one format to another, or out of a trained language model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carousel.cli.early_interrupt import loaded
from carousel.cli.embed.arguments import Duplicates, Odd
from carousel.cli.output import say

if TYPE_CHECKING:
    from carousel.embeddings import Vectors


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="A file of word vectors, or the folder of a run of `carousel train`, for its projection."
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            help="The new file; its ending says the format: .txt or .vec (word2vec text), .bin (word2vec binary), "
            ".safetensors, .npz, .npy."
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(help="Format of the new file: text, glove, ...", show_default="by its ending"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many words.", show_default="all")
    ] = None,
    odd: Odd = "strict",
    duplicates: Duplicates = "error",
) -> None:
    """Write word vectors in another format.

    carousel embed convert GoogleNews-vectors.bin news.safetensors --limit 200000
    """
    from carousel.embeddings.formats import format_of

    format_of(target, format)  # before anything large is read
    vectors = _of_run(source, limit) if os.path.isdir(source) else _of_file(source, limit, odd, duplicates)
    loaded()
    vectors.save(target, format)
    say(f"{target}: {len(vectors):,} words, {vectors.dimension} dimensions")


def _of_file(path: Path, limit: int | None, odd: str, duplicates: str) -> Vectors:
    from carousel.embeddings import Vectors

    return Vectors.load(path, limit=limit, errors=odd, duplicates=duplicates)


def _of_run(path: Path, limit: int | None) -> Vectors:
    from carousel.embeddings import Vectors
    from carousel.training import load

    model = load(path)
    vectors = Vectors.from_model(model, model.vocabulary)
    return vectors if limit is None else vectors.restricted(limit)
