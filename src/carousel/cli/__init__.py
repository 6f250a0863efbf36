"""The command line: parse, call, print. Torch is loaded only by commands that need it."""

from carousel.cli.early_interrupt import loading


def main() -> None:
    """Run the command line of this process.

    Exit status: 0 done, 2 bad input (one message on stderr, no traceback), 130 stopped by Ctrl-C, 141 the
    reader of the output has gone.
    """
    with loading():
        from carousel.cli import app

        app.run()


__all__ = ["main"]
