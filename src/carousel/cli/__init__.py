"""The command line: parse, call, print. Torch is loaded only by commands that need it."""

from carousel.cli.app import main

__all__ = ["main"]
