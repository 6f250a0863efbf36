"""The command line called as a user calls it, in this process; and one small finished run to call it on."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from carousel.cli import main

LINES = [f"def f{k}(a, b):\n    return [a + {k}, 'b{k % 7}']  # {k}\n\n" for k in range(300)]


@dataclass(frozen=True)
class Called:
    """What a command left behind."""

    status: int
    out: str
    err: str


def call(*arguments: object) -> Called:
    """Run `carousel ARGUMENTS`; an exception that would be a traceback comes through."""
    out, err, before = StringIO(), StringIO(), sys.argv
    sys.argv = ["carousel", *map(str, arguments)]
    status = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    finally:
        sys.argv = before
    return Called(status, out.getvalue(), err.getvalue())


@pytest.fixture
def carousel() -> Callable[..., Called]:
    """The function `call`."""
    return call


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 15,000 characters."""
    path = tmp_path_factory.mktemp("text") / "text.py"
    path.write_text("".join(LINES), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Called]:
    """A run folder, and what training it printed."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    done = call(
        "train",
        text,
        "--out",
        folder,
        "--level",
        "char",
        "--hidden",
        12,
        "--batch",
        4,
        "--bptt",
        20,
        "--steps",
        12,
        "--threads",
        1,
    )
    return folder, done
