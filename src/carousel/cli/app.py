"""The command `carousel`: one file per subcommand, one way for all of them to fail."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from carousel.cli import diagnose, embed, equations, evaluate, generate, info, lab, predict, train
from carousel.cli.loading import STOPPED
from carousel.cli.output import say
from carousel.errors import CarouselError

BAD_INPUT = 2  # the exit status of every mistake in what was asked for
PIPE_CLOSED = 141  # what shells report of a process whose reader, such as `head`, has seen enough


class Commands(TyperGroup):
    """The commands, with ends of our own for what Typer would end by a status alone."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("carousel: interrupted", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(PIPE_CLOSED) from None


def _discard_output() -> None:
    """Send what is still buffered nowhere: Python flushes at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


app = typer.Typer(
    cls=Commands,
    name="carousel",
    help="Recurrent networks, fast on an ordinary CPU, with their memory in plain sight.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, generate, evaluate, predict, diagnose, equations, lab, info, embed):
    command.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from carousel import __version__

        say(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Recurrent networks, fast on an ordinary CPU, with their memory in plain sight."""


def run() -> None:
    """Run the command line: `carousel.cli.main` after its imports."""
    try:
        app()
    except CarouselError as error:
        sys.stdout.flush()
        say(f"carousel: {error}", err=True)
        raise SystemExit(BAD_INPUT) from None
