"""The command `carousel`: one file per subcommand, one way for all of them to fail."""

from __future__ import annotations

import ast
import os
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from carousel.cli.early_interrupt import STOPPED
from carousel.cli.output import say
from carousel.errors import CarouselError

BAD_INPUT = 2  # the exit status of every mistake in what was asked for
PIPE_CLOSED = 141  # what shells report of a process whose reader, such as `head`, has seen enough


COMMANDS = ("train", "generate", "evaluate", "predict", "diagnose", "equations", "lab", "info", "embed")


class Commands(TyperGroup):
    """The commands. Each is imported when it is called, and Ctrl-C and a closed pipe have exit statuses of our own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands.update({name: TyperCommand(name) for name in COMMANDS})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            self.commands[args[0]] = _command(args[0])
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for name, command in self.commands.items():
            command.help = _summary(name)
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("carousel: interrupted", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(PIPE_CLOSED) from None


@cache
def _command(name: str) -> Any:
    """The command, imported: once, since a command takes its options once."""
    own = typer.Typer()
    import_module(f".{name}", __package__).register(own)
    return typer.main.get_group(own).commands[name]


def _summary(command: str) -> str:
    """The first sentence of a command's docstring, read without an import of its module."""
    spec = find_spec(f".{command}", __package__)
    source = spec.loader.get_source(spec.name)  # type: ignore[union-attr]
    functions = {each.name: each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)}
    found = ast.get_docstring(functions.get(command, functions["register"])) or ""
    return found.partition("\n")[0]


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
