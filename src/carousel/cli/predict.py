"""`carousel predict RUN DATA.csv`: what a model of sequences says of new ones, as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from carousel.cli.early_interrupt import check_files, loaded
from carousel.cli.output import give


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
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(model.table(data))
    if out is None:
        give(text.getvalue())
    else:
        write_atomic(out, text.getvalue())
