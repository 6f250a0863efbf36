"""`python -m bench sequences FOLDER`: options, the runs, their table."""

from __future__ import annotations

import json as json_format
import os
import statistics
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.machine import keep_to_cores

CELLS = ("mlp", "lstm", "gru")
console = Console(width=None if os.isatty(1) else 160)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sequences)


def sequences(
    folder: Annotated[Path, typer.Argument(help="Holds japanese-vowels, names and timeseries.")],
    tasks: Annotated[str, typer.Option(help="Which, with spaces between.")] = "vowels names airline sunspots",
    cells: Annotated[str, typer.Option(help="Which, with spaces between.")] = " ".join(CELLS),
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each; the table has their mean.")] = 1,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Two steps of each: does it run?")] = False,
    json: Annotated[Path | None, typer.Option(help="Keep every score in this file.")] = None,
) -> None:
    """Held-out accuracy, or error beside the seasonal-naive forecast, with and without recurrence."""
    keep_to_cores(threads)
    import torch  # after the cores are chosen: torch counts them when imported

    from bench.sequences.measure import measure
    from bench.sequences.tasks import TASKS

    torch.set_num_threads(threads)
    table = Table("data", "cell", "test", "simplest", "interval holds", "CPU s", "published")
    kept: list[dict[str, Any]] = []
    for name in tasks.split():
        if name not in TASKS:
            raise typer.BadParameter(f"must be among {', '.join(TASKS)}; got {name!r}.", param_hint="--tasks")
        for cell in cells.split():
            found = [measure(TASKS[name], folder, cell, seed, quick) for seed in range(1, seeds + 1)]
            table.add_row(
                TASKS[name].name,
                cell,
                _mean(found, "test", TASKS[name].forecast),
                _mean(found, "simplest", TASKS[name].forecast),
                f"{100 * statistics.mean(each['coverage'] for each in found):.0f} %"
                if TASKS[name].forecast
                else "",
                f"{statistics.mean(each['seconds'] for each in found):.0f}",
                TASKS[name].published,
            )
            kept += found
            console.print(f"{name} {cell}: {_mean(found, 'test', TASKS[name].forecast)}", highlight=False)
    console.print(table)
    if json:
        json.write_text(json_format.dumps(kept, indent=1), encoding="utf-8")


def _mean(found: list[dict[str, Any]], name: str, forecast: dict[str, Any]) -> str:
    """The mean of a figure over seeds, with its range where there are several."""
    values = [each[name] for each in found]
    shown = [f"{value:.1f}" if forecast else f"{100 * value:.1f} %" for value in (min(values), max(values))]
    middle = f"{statistics.mean(values):.1f}" if forecast else f"{100 * statistics.mean(values):.1f} %"
    return middle if len(values) == 1 else f"{middle} ({shown[0]} to {shown[1]})"
