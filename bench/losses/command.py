"""`python -m bench losses` and `python -m bench training-step`: options, the run, its tables."""

from __future__ import annotations

import json as json_format
import os
import statistics
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.machine import keep_to_cores
from bench.measure import ratio

Json = Annotated[Path | None, typer.Option(help="Keep every measurement in this file.")]
Quick = Annotated[bool, typer.Option("--quick", help="Short and small: does it run?")]
THREADS = min(2, os.cpu_count() or 1)
Threads = Annotated[int, typer.Option(min=1, help="For all contenders.")]
console = Console(width=None if os.isatty(1) else 160)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(losses)
    app.command()(training_step)


def losses(json: Json = None, quick: Quick = False, threads: Threads = THREADS) -> None:
    """Linear layer and cross-entropy, forward and backward: fused beside torch, in time and in memory."""
    keep_to_cores(threads)
    import torch  # after the cores are chosen: torch counts them when imported

    from bench.losses.layer import SHAPES, extra_memory, measure
    from bench.machine import peak_gflops, this_machine

    torch.set_num_threads(threads)
    table = Table("tokens, H, V", "torch ms", "torch bf16", "ours ms", "ours bf16", "GFLOP/s", "bf16",
                  "x torch", "bf16 x ours", "memory MB ours, torch")  # fmt: skip
    kept = []
    for shape in SHAPES[:1] if quick else SHAPES:
        seconds = measure(shape, rounds=3 if quick else 11)
        memory = {name: extra_memory(name, shape, threads) for name in ("carousel", "torch")}
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        flops = 6 * shape.tokens * shape.hidden * shape.vocabulary
        table.add_row(
            f"{shape.tokens}, {shape.hidden}, {shape.vocabulary:,}",
            *(f"{1e3 * middle[name]:.1f}" for name in ("torch", "torch bf16", "carousel", "carousel bf16")),
            f"{flops / middle['carousel'] / 1e9:.0f}",
            f"{flops / middle['carousel bf16'] / 1e9:.0f}",
            f"{ratio(seconds['carousel'], seconds['torch']).value:.2f}",
            f"{ratio(seconds['carousel bf16'], seconds['carousel']).value:.2f}",
            f"{memory['carousel']:.1f}, {memory['torch']:.1f}",
        )
        kept.append(
            {"shape": [shape.tokens, shape.hidden, shape.vocabulary], "seconds": seconds, "MB": memory}
        )
    peak = peak_gflops(threads, 0.3)
    console.print(table)
    console.print(f"peak {peak:.0f} GFLOP/s; {this_machine(threads, {'torch': torch.__version__})}")
    if json:
        json.write_text(json_format.dumps({"peak": peak, "cases": kept}, indent=1), encoding="utf-8")


def training_step(
    json: Json = None,
    quick: Quick = False,
    threads: Threads = THREADS,
    vocabularies: Annotated[str, typer.Option(help="V, with spaces between.")] = "10000 33278",
    steps: Annotated[int | None, typer.Option(min=1, help="200, or 5 with --quick.")] = None,
) -> None:
    """A step of the 2x200 LSTM model (batch 20, BPTT 35, SGD, clipping) beside plain torch, and where its time goes."""
    keep_to_cores(threads)
    import torch  # after the cores are chosen: torch counts them when imported

    from bench.losses.profile import shares
    from bench.losses.step import run
    from bench.machine import this_machine

    torch.set_num_threads(threads)
    kept = []
    for vocabulary in map(int, vocabularies.split()):
        trained = run(vocabulary, steps or (5 if quick else 200))
        table = Table(f"V = {vocabulary:,}", "ms a step", "x torch", "loss of the last step")
        for name, seconds in trained.seconds.items():
            faster = ratio(seconds, trained.seconds["torch"]).value
            table.add_row(
                name,
                f"{1e3 * statistics.median(seconds):.1f}",
                f"{faster:.2f}",
                f"{trained.losses[name][-1]:.5f}",
            )
        console.print(table)
        parts = shares(vocabulary, 3 if quick else 20)
        where = Table(f"V = {vocabulary:,}: where a step's time goes", "share")
        for part, share in parts.items():
            where.add_row(part, f"{share:.1%}")
        console.print(where)
        kept.append(
            {"vocabulary": vocabulary, "seconds": trained.seconds, "losses": trained.losses, "shares": parts}
        )
    console.print(str(this_machine(threads, {"torch": torch.__version__})))
    if json:
        json.write_text(json_format.dumps(kept, indent=1), encoding="utf-8")
