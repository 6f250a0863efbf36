"""`python -m bench`: parse, call, print."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.cells import CELLS
from bench.diagnosis.command import register as register_diagnosis
from bench.embeddings.command import register as register_embeddings
from bench.losses.command import register as register_losses
from bench.machine import keep_to_cores
from bench.sequences.command import register as register_sequences
from bench.shapes import SHAPES, parse_shape

if TYPE_CHECKING:
    from bench.results import Results

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
register_diagnosis(app)
register_embeddings(app)
register_losses(app)
register_sequences(app)
console = Console(width=None if os.isatty(1) else 160)  # in a file, tables keep their columns

# as typed in --peers -> the name in the tables
PEER_NAMES = {
    "torch.nn": "torch.nn",
    "torch-loop": "torch loop",
    "jax": "jax.lax.scan",
    "onnx": "ONNX Runtime",
}

SECTION_NAMES = [
    "bfloat16", "ragged", "resets", "stepper", "memory", "denormals", "variants", "own-cells",
]  # fmt: skip

Markdown = Annotated[Path | None, typer.Option(help="Write the page, and images/roofline.svg beside it.")]


@app.command()
def kernels(
    json: Annotated[Path | None, typer.Option(help="Keep every measurement in this file.")] = None,
    markdown: Markdown = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three short rounds: does it run?")] = False,
    cells: Annotated[str, typer.Option(help="Which, with spaces between.")] = " ".join(CELLS),
    shapes: Annotated[str, typer.Option(help="Letters or T,B,H, with spaces between.")] = " ".join(SHAPES),
    peers: Annotated[str, typer.Option(help="Which, with spaces between.")] = " ".join(PEER_NAMES),
    passes: Annotated[str, typer.Option(help="backward (with forward), forward.")] = "backward forward",
    threads: Annotated[int, typer.Option(min=1, help="For all contenders.")] = min(2, os.cpu_count() or 1),
    rounds: Annotated[int | None, typer.Option(min=1, help="11, or 3 with --quick.")] = None,
    sections: Annotated[
        str, typer.Option(help="What else: " + ", ".join(SECTION_NAMES) + "; with spaces between, or none.")
    ] = " ".join(SECTION_NAMES),
) -> None:
    """Every cell at every shape beside its peers, in turns, with the peak of the machine; then the sections."""
    chosen_sections = [
        _known("--sections", name, SECTION_NAMES) for name in sections.split() if name != "none"
    ]
    chosen_cells = [CELLS[_known("--cells", name, list(CELLS))] for name in cells.split()]
    chosen_peers = [PEER_NAMES[_known("--peers", name, list(PEER_NAMES))] for name in peers.split()]
    chosen_passes = [_known("--passes", name, ["backward", "forward"]) for name in passes.split()]
    try:
        chosen_shapes = [parse_shape(text) for text in shapes.split()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shapes") from None
    keep_to_cores(threads)
    from bench.kernels import Plan, run  # after the cores are chosen: torch and JAX count them when imported
    from bench.results import save
    from bench.sections import measure
    from bench.tables import print_tables

    patience = {"turn": 0.01, "probe": 0.1} if quick else {"turn": 0.03, "probe": 0.5}
    turns = rounds or (3 if quick else 11)
    with_backward = tuple(name == "backward" for name in chosen_passes)
    plan = Plan(chosen_cells, chosen_shapes, chosen_peers, threads, turns, passes=with_backward, **patience)
    with console.status("warming up") as status:
        results = run(plan, status.update, lambda part: print_tables(part, console))
        results.findings.extend(measure(chosen_sections, plan, status.update))
    if json:
        save(results, json)
    _conclude(results, markdown)


@app.command()
def report(json: Path, markdown: Markdown = None) -> None:
    """The tables of a run kept with --json, and its page, without measuring again."""
    from bench.results import load
    from bench.tables import print_tables

    results = load(json)
    print_tables(results, console)
    _conclude(results, markdown)


@app.command()
def epoch(
    paths: Annotated[list[str] | None, typer.Argument(help="A text; none: a generated one.")] = None,
    preset: Annotated[str, typer.Option(help="The configuration, as in `carousel train`.")] = "zaremba-small",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    threads: Annotated[int, typer.Option(min=1)] = min(2, os.cpu_count() or 1),
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 200,
) -> None:
    """The time of an epoch, and of the run, from some steps of it."""
    keep_to_cores(threads)
    from bench import zipf
    from bench.epoch import time_steps
    from carousel.training import LanguageConfig

    with TemporaryDirectory() as folder, console.status("generating a text") as status:
        if not paths:
            zipf.write(Path(folder))
        config = LanguageConfig.preset(preset, paths=paths or [folder], precision=precision, threads=threads)
        timed = time_steps(config, steps, status.update)
    for line in timed.lines():
        console.print(line, highlight=False)


@app.command("zipf")
def write_zipf(folder: Path) -> None:
    """Write the generated text that `epoch` times: 929,589 train tokens, 10,000 words, by Zipf's law."""
    from bench import zipf

    zipf.write(folder)


def _known(option: str, name: str, names: list[str]) -> str:
    if name not in names:
        raise typer.BadParameter(f"must be among {', '.join(names)}; got {name!r}.", param_hint=option)
    return name


def _conclude(results: Results, markdown: Path | None) -> None:
    from bench.tables import print_findings, summary

    print_findings(results, console)
    for line in summary(results):
        console.print(line, highlight=False, markup=False)
    for peer, why in results.absent.items():
        console.print(f"{peer} was left out: {why}", highlight=False, markup=False)
    console.print(f"peak {results.peak:.0f} GFLOP/s; {results.machine}", highlight=False, soft_wrap=True)
    if results.machine.load > 0.5:
        console.print(f"The machine was busy (load {results.machine.load}): take the figures lightly.")
    if markdown:
        from bench.markdown import write

        console.print(f"wrote {markdown} and {write(results, markdown)}", highlight=False)


if __name__ == "__main__":
    app()
