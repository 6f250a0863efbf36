"""The command `carousel`: one file per subcommand, one way for all of them to fail."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from carousel.cli import equations, evaluate, generate, info, train
from carousel.errors import CarouselError

BAD_INPUT = 2  # the exit status of every mistake in what was asked for

app = typer.Typer(
    name="carousel",
    help="Recurrent networks, fast on an ordinary CPU, with their memory in plain sight.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, generate, evaluate, equations, info):
    command.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from carousel import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Recurrent networks, fast on an ordinary CPU, with their memory in plain sight."""


def main() -> None:
    """Run the command line of this process.

    Exit status: 0 done, 2 bad input (one message on stderr, no traceback), 130 stopped by Ctrl-C.
    """
    try:
        app()
    except CarouselError as error:
        sys.stdout.flush()
        typer.echo(f"carousel: {error}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        raise SystemExit(0) from None
