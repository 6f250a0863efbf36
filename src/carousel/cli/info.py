"""`carousel info`: which kernels this installation has, and which of them it uses here."""

from __future__ import annotations

import typer

from carousel.cli.output import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(info)


def info() -> None:
    """Print version, instruction sets built and chosen, threads and the version of torch."""
    from carousel import ops

    facts = ops.info()
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        say(f"{name:<{width}}  {shown}")
