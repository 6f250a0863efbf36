"""`carousel lab [NAME]`: run, measure and draw the claims of the lecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carousel.cli.output import say
from carousel.errors import CarouselError

if TYPE_CHECKING:  # the list of experiments needs no torch
    from carousel.lab import Budget
    from carousel.lab.gallery import Result

ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lab)


def lab(
    name: Annotated[
        str | None, typer.Argument(help="An experiment, or `all`. Without a name the experiments are listed.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the pages and numbers.json.")] = Path(
        "runs/lab"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Run smaller experiments; all of them take a few minutes.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Run the long experiments too; all of them take hours.")
    ] = False,
) -> None:
    """Run experiments on the claims of a lecture, and write a page with figures and verdicts for each."""
    from carousel.lab import EXPERIMENTS, Budget, known

    if quick and full:
        raise CarouselError("--quick and --full exclude each other. Pass one of them.")
    if name is None:
        _list()
        return
    budget = Budget.QUICK if quick else Budget.FULL if full else Budget.USUAL
    names = list(EXPERIMENTS) if name == ALL else [known(name).name]  # before torch is loaded
    for k, each in enumerate(names, start=1):
        _run(each, f"{k}/{len(names)} {each}" if len(names) > 1 else each, out, budget)
    say(out / "index.html")


def _run(name: str, heading: str, out: Path, budget: Budget) -> None:
    """Run one experiment with a progress bar, and print its verdicts; Ctrl-C loses only this one."""
    from carousel.display import display
    from carousel.lab import gallery
    from carousel.progress import Progress
    from carousel.terminal import Terminal

    with display(Terminal(stderr=True), transient=True) as observer:
        [result] = gallery.run(
            [name], out, budget, lambda event: observer(Progress(f"{heading}  {event}", event.share or 0.0))
        )
    _print(result)


def _list() -> None:
    from carousel.lab import EXPERIMENTS

    width = max(map(len, EXPERIMENTS))
    chapter = ""
    for experiment in EXPERIMENTS.values():
        if experiment.chapter != chapter:
            chapter = experiment.chapter
            say(f"\n{chapter}")
        say(f"  {experiment.name:<{width}}  {experiment.claim}")
    say("\n`carousel lab NAME` runs one experiment, and `carousel lab all` runs all of them.")


def _print(result: Result) -> None:
    """Print the verdicts and the path of the page."""
    say(f"{result.page.title} ({result.page.seconds:.0f} s): {result.path}")
    for claim in result.page.findings.claims:
        say(f"  {claim.statement}\n    {claim.judgement}. {claim.remark}".rstrip())
        for name, value in claim.evidence.items():
            say(f"      {name}: {value}")
