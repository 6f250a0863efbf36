"""`carousel predict RUN DATA.csv`: what a model of sequences says of new ones, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.loading import check_files, loaded
from carousel.cli.output import give

if TYPE_CHECKING:
    from carousel.data.sequences import Sequences
    from carousel.models import SequenceModel


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    run: Annotated[
        Path, typer.Argument(help="A run folder of --task, or its weights.safetensors.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns that it learned from; labels may lack.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write to this file.", show_default="what is printed")
    ] = None,
) -> None:
    """Tag, classify or forecast sequences: one line for each step, sequence or value that comes.

    A tag or a class comes with its probability, a forecast with the bounds of its interval.
    """
    from carousel.training.run.folder import weights_of

    weights_of(run)  # told before torch is loaded, which takes seconds
    check_files(data)
    from carousel.atomic import write_atomic
    from carousel.models import SequenceModel

    loaded()
    model = SequenceModel.load(run)
    sequences = model.read(data)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(model, sequences))
    if out is None:
        give(text.getvalue())
    else:
        write_atomic(out, text.getvalue())


def _rows(model: SequenceModel, sequences: Sequences) -> Iterator[Iterable[Any]]:
    """The names of the columns, then the lines."""
    names = [item.name for item in sequences.items]
    task = model.head.task
    if task == "forecast":
        yield ("sequence", "ahead", "column", "forecast", "low", "high")
        for name, found in zip(names, model.ahead(sequences), strict=True):
            for ahead, values in enumerate(zip(found.middle, found.low, found.high, strict=True), 1):
                for column, *figures in zip(sequences.numbers, *values, strict=False):
                    yield (name, ahead, column, *(f"{figure:.6g}" for figure in figures))
        return
    shares = model.probabilities(sequences)
    if task == "classify":
        yield ("sequence", "label", "probability")
        for name, row in zip(names, shares, strict=True):
            yield (name, model.labels[int(row.argmax())], f"{row.max():.4f}")
        return
    yield ("sequence", "step", "label", "probability")
    for name, rows in zip(names, shares, strict=True):
        for step, row in enumerate(rows, 1):
            yield (name, step, model.labels[int(row.argmax())], f"{row.max():.4f}")
