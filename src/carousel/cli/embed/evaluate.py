"""`carousel embed evaluate FILE TESTS ...`: analogies and rated pairs answered and counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carousel.cli.early_interrupt import loaded
from carousel.cli.embed.arguments import Duplicates, File, Method, Odd, open_vectors

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from carousel.shown import Table


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
    from carousel.display import display
    from carousel.embeddings import evaluate as score_of
    from carousel.terminal import Terminal

    vectors = open_vectors(file, odd, duplicates)
    loaded()
    console = Terminal()
    for path in tests:
        with display(Terminal(stderr=True), transient=True) as observer:
            score = score_of(
                vectors,
                path,
                method=method,
                restrict=restrict,
                case=case,
                on_progress=observer,
            )
        console.print(path.name, style="bold")
        console.print(_for_rich(score.table()))


def _for_rich(table: Table) -> RichTable:
    """The table with numbers at the right."""
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(table.head):
        drawn.add_column(name, justify="right" if k else "left")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
