"""`carousel evaluate RUN [PATHS ...]`: how well a trained model predicts text that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carousel.data import Document


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders or globs of text.", show_default="the run's own test files"),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Score every line by itself: bits per character, a tab, the line.")
    ] = False,
) -> None:
    """Score text in bits per character and perplexity, all files as one text."""
    from carousel import training

    model, vocabulary = training.load(run)
    documents = _documents(run, paths)
    if not lines:
        score = training.score_documents(model, vocabulary, documents)
        typer.echo(
            f"{score.bits_per_character:.4f} bits per character, "
            f"perplexity {score.perplexity:.3f} per token, "
            f"{score.characters:,} characters, {score.tokens:,} tokens in {len(documents)} documents"
        )
        return
    texts = [line for document in documents for line in _lines(document.text)]
    for line, score in zip(texts, training.score_lines(model, vocabulary, texts), strict=True):
        typer.echo(f"{score.bits_per_character:.4f}\t{line}")


def _documents(run: Path, paths: Sequence[str] | None) -> list[Document]:
    """The documents at these paths, or the test files of the run's corpus."""
    from carousel.data import load_corpus, read
    from carousel.training import RunFolder

    if paths:
        return read(paths)
    return load_corpus(RunFolder.open(run).load_config().paths).test


def _lines(text: str) -> list[str]:
    """Lines without their ends; only line feeds end one, so that what is printed has a line for each."""
    return text.removesuffix("\n").split("\n")
