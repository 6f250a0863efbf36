"""`python -m bench diagnosis`: options, the run, its table."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.machine import keep_to_cores

console = Console(width=None if os.isatty(1) else 160)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diagnosis)


def diagnosis(
    steps: Annotated[int, typer.Option(min=1, help="Of training, beside which the monitor looks.")] = 600,
    threads: Annotated[int, typer.Option(min=1)] = min(2, os.cpu_count() or 1),
    quick: Annotated[bool, typer.Option("--quick", help="Small ones only: does it run?")] = False,
) -> None:
    """Seconds of `carousel.diagnose` by size, and the share of the default training run that the monitor takes."""
    keep_to_cores(threads)
    import torch  # after the cores are chosen: torch counts them when imported

    from bench.diagnosis.measure import SIZES, time_diagnosis, time_monitor
    from carousel.training import LanguageConfig

    torch.set_num_threads(threads)
    table = Table("network", "seconds")
    with console.status("measuring") as status:
        for size in SIZES[:1] if quick else SIZES:
            status.update(size.name)
            table.add_row(size.name, f"{time_diagnosis(size):.1f}")
        found = time_monitor(LanguageConfig(threads=threads), 2 if quick else steps, status.update)
    console.print(table)
    console.print(
        f"monitor: {found.looks} looks in {found.steps} steps of the default language model, "
        f"{1e3 * found.spent / max(1, found.looks):.0f} ms each beside {1e3 * found.seconds / found.steps:.1f} ms a "
        f"step: {found.share:.1%} of the time",
        highlight=False,
    )
