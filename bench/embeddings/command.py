"""`python -m bench embeddings`: options, the run, its tables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

TASK_NAMES = ("sg-ns", "cbow-ns", "sg-hs", "cbow-hs")
PARTS = ("speed", "memory", "quality")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(embeddings)


def embeddings(
    json: Annotated[Path | None, typer.Option(help="Keep every measurement in this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the section of the page to this file.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One short round of everything: does it run?")
    ] = False,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            help="Words between spaces, a sentence on each line; again for more (none: standard library)."
        ),
    ] = None,
    judge: Annotated[
        list[Path] | None,
        typer.Option(help="File of analogies or rated pairs for the quality; again for more."),
    ] = None,
    tasks: Annotated[str, typer.Option(help="Which, with spaces between.")] = " ".join(TASK_NAMES),
    parts: Annotated[str, typer.Option(help="Which, with spaces between.")] = " ".join(PARTS),
    threads: Annotated[int, typer.Option(min=1, help="For all contenders.")] = min(2, os.cpu_count() or 1),
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns for the speed (5, or 1 with --quick).")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="For the quality (5, or 1 with --quick).")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="For the quality; the speed is measured over 2.")] = 5,
) -> None:
    """Word vectors beside gensim and fastText: speed, memory, quality."""
    chosen = [_known("--tasks", name, TASK_NAMES) for name in tasks.split()]
    wanted = [_known("--parts", name, PARTS) for name in parts.split()]
    for path in [*(text or []), *(judge or [])]:
        if not path.is_file():
            raise typer.BadParameter(f"there is no file {path}.")
    from bench.embeddings import measure, results
    from bench.machine import this_machine

    console = Console()
    names, absent = measure.present()
    turns, tries = rounds or (1 if quick else 5), seeds or (1 if quick else 5)
    with tempfile.TemporaryDirectory() as folder, console.status("reading") as status:
        texts = text or [_standard_library(Path(folder))]
        run = results.Results(
            this_machine(threads, _versions()),
            [measure.describe(path) for path in texts],
            epochs,
            absent=absent,
        )
        for path in texts:
            if "speed" in wanted:
                passes = 1 if quick else 2
                run.speed.extend(measure.speed(names, chosen, path, passes, turns, threads, status.update))
            if "memory" in wanted:
                run.memory.extend(measure.memory(names, chosen, path, threads, status.update))
            if "quality" in wanted and judge:
                passes = 1 if quick else epochs
                run.quality.extend(
                    measure.quality(names, chosen, path, judge, passes, tries, threads, status.update)
                )
            if json:
                results.save(run, json)
    page = results.markdown(run)
    console.print(page, highlight=False, markup=False, soft_wrap=True)
    if markdown:
        markdown.write_text(page, encoding="utf-8")


def _standard_library(folder: Path) -> Path:
    """The words of Python's own library as a text that all contenders can read."""
    from carousel.embeddings.config import EmbeddingConfig
    from carousel.embeddings.corpus import load_corpus

    corpus = load_corpus(None, EmbeddingConfig(min_count=1))
    words = corpus.vocabulary.words
    path = folder / "standard-library.txt"
    with path.open("w", encoding="utf-8") as file:
        for number in corpus.ids.tolist():
            file.write(f"{words[number]} " if number >= 0 else "\n")
    return path


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("numpy", "gensim", "fasttext"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _known(option: str, name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise typer.BadParameter(f"must be among {', '.join(names)}; got {name!r}.", param_hint=option)
    return name
