"""`carousel evaluate RUN [PATHS ...]`: how well a trained model predicts text that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carousel.cli.early_interrupt import check_files, loaded
from carousel.cli.output import give, say
from carousel.errors import CarouselError

if TYPE_CHECKING:
    from carousel.data import Document, Vocabulary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders or globs of text, or - for standard input; for a run of --task a CSV file.",
            show_default="the run's own test part",
        ),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Score every line by itself: bits per character, a tab, the line.")
    ] = False,
    tokens: Annotated[
        bool,
        typer.Option(
            "--tokens", help="Score every token: its bits, a tab, the token; after each line the sum."
        ),
    ] = False,
) -> None:
    """Score text in bits per character and perplexity, each file from its start to its end.

    Of a run of --task: labels that are right, or errors beside those of the seasonal-naive forecast.
    """
    from carousel.training.run.folder import weights_of

    if lines and tokens:
        raise CarouselError("--lines and --tokens print different things; give one of the two.")
    weights_of(run)  # told before torch is loaded, which takes seconds
    check_files(*paths or [])
    from carousel.models.sequences.model import SequenceModel
    from carousel.training import evaluate as score_of
    from carousel.training import load
    from carousel.training.language.evaluation import lines_of

    loaded()
    model = load(run)
    if isinstance(model, SequenceModel):
        if lines or tokens:
            raise CarouselError(
                f"--lines and --tokens are of text, but {run} learned from sequences. Leave them out."
            )
        if len(paths or []) > 1:
            raise CarouselError(
                f"A model of sequences is scored on one CSV file; got {len(paths or [])}. Give one."
            )
        for line in score_of(run, *paths or []).lines(model):
            say(line)
        return
    documents = _documents(run, paths)
    _tell_unknown(model.vocabulary, documents)
    if not (lines or tokens):
        score = score_of(model, documents)
        number = f"{len(documents)} document{'s' if len(documents) > 1 else ''}"
        say(
            f"{score.bits_per_character:.4f} bits per character, "
            f"perplexity {score.perplexity:.3f} per token, "
            f"{score.characters:,} characters, {score.tokens:,} tokens in {number}"
        )
        return
    if tokens:
        for each in score_of(model, documents, by="token"):
            for token in each:
                give(f"{token.bits:.4f}\t{token.text!r}\n")
            give(f"{sum(token.bits for token in each):.4f}\t{len(each)} tokens\n\n")
        return
    texts = [line for document in documents for line in lines_of(document)]
    for line, score in zip(texts, score_of(model, documents, by="line"), strict=True):
        give(f"{score.bits_per_character:.4f}\t{line}\n")


def _documents(run: Path, paths: Sequence[str] | None) -> list[Document]:
    """The documents at these paths, or the test files of the run's corpus."""
    from carousel.data import read
    from carousel.data.corpora import describe_skipped
    from carousel.training.evaluations import test_documents

    if paths:
        skipped: list[Path] = []
        documents = read(paths, skipped.append)
        if skipped:
            say(f"carousel: {describe_skipped(skipped)}", err=True)
        return documents
    return test_documents(run)


def _tell_unknown(vocabulary: Vocabulary, documents: Sequence[Document]) -> None:
    """What has no symbol of its own is cheap to predict: a score that gains by it must not go unnoticed."""
    from carousel.data.vocabularies.base import listed

    pieces = (piece for document in documents for piece in document.chunks())
    unknown = dict.fromkeys(symbol for piece in pieces for symbol in vocabulary.unknown(piece))
    if unknown:
        shown = listed(list(unknown), most=8)
        say(f"carousel: {len(unknown)} not in the vocabulary, scored as <unk>: {shown}", err=True)
