"""`carousel embed evaluate FILE TESTS ...`: analogies and rated pairs answered and counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carousel.cli.embed.arguments import Duplicates, File, Method, Odd, open_vectors
from carousel.cli.loading import loaded
from carousel.printable import one_line

if TYPE_CHECKING:
    from rich.table import Table

    from carousel.embeddings import AnalogyScore, PairScore, Vectors
    from carousel.embeddings.analogies import Section
    from carousel.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    file: File,
    tests: Annotated[
        list[Path],
        typer.Argument(
            help="Files of analogies (questions-words) or of rated pairs (WordSim-353, SimLex-999, MEN); "
            "which one shows in its lines."
        ),
    ],
    method: Method = "3cosadd",
    restrict: Annotated[
        int, typer.Option(min=1, help="Only the first so many words, the most frequent, are known.")
    ] = 300_000,
    case: Annotated[bool, typer.Option("--case", help="Tell words apart that differ in case alone.")] = False,
    odd: Odd = "strict",
    duplicates: Duplicates = "error",
) -> None:
    """Measure vectors on analogies (share answered) and on rated pairs (rank correlation).

    With the defaults the numbers are those that gensim and word2vec give.
    """
    from carousel.embeddings import AnalogyScore
    from carousel.terminal import Terminal

    vectors = open_vectors(file, odd, duplicates)
    loaded()
    console = Terminal()
    for path in tests:
        score = _judge(console, vectors, path, method, restrict, case)
        if isinstance(score, AnalogyScore):
            console.print(path.name, style="bold")
            console.print(_table(score))
            continue
        console.print(
            f"{path.name}  Spearman {_number(score.spearman)}, Pearson {_number(score.pearson)} over "
            f"{score.known:,} pairs; {_percent(score.unknown_share)} unknown",
            soft_wrap=True,
        )


def _judge(
    console: Terminal, vectors: Vectors, path: Path, method: str, restrict: int, case: bool
) -> AnalogyScore | PairScore:
    from rich.markup import escape
    from rich.progress import Progress

    from carousel.embeddings import evaluate

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(one_line(path.name)))

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return evaluate(vectors, path, method=method, restrict=restrict, case=case, progress=advance)


def _table(score: AnalogyScore) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("section")
    for name in ("answered", "of", "right", "unknown"):
        table.add_column(name, justify="right")
    for section in score.sections:
        table.add_row(*_row(section))
    table.add_section()
    for section in (score.semantic, score.syntactic, score.total):
        table.add_row(*_row(section), style="bold" if section.name == "total" else None)
    return table


def _row(section: Section) -> tuple[str, ...]:
    return (
        section.name,
        f"{section.correct:,}",
        f"{section.known:,}",
        _percent(section.accuracy),
        _percent(section.unknown_share),
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"
