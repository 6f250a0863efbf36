"""`carousel diagnose RUN_OR_FILE`: what a trained network remembers, what is wrong with it and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carousel.cli.early_interrupt import check_files, loaded


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diagnose)


def diagnose(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a state_dict in .safetensors, or a torch checkpoint.", show_default=False
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="What it reads: text for a run, or a CSV file if it was one of --task; a CSV or .npy of numbers "
            "(steps by inputs) for other weights.",
            show_default="the run's own test part; noise",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the page goes.", show_default="diagnosis.html")
    ] = None,
    steps: Annotated[int, typer.Option(help="Length of each sequence.", min=2)] = 128,
) -> None:
    """Say whether a network is stable, how far it remembers, where its gradient dies, and what to do about it.

    Checkpoints are read without executing anything in them.
    """
    from carousel.display import display
    from carousel.terminal import Terminal

    check_files(path, data)
    from carousel.training import diagnose_file

    loaded()
    with display(Terminal(stderr=True), transient=True) as observer:
        report = diagnose_file(path, data, steps=steps, on_progress=observer)
    page = report.save(out or (path if path.is_dir() else Path()) / "diagnosis.html")
    console = Terminal()
    console.print(f"{report}\n\nreport {page}", soft_wrap=True)
