"""Imports point one way, from the equations to the command line."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import carousel

PACKAGE = Path(carousel.__file__).parent
EVERYWHERE = {
    "errors", "atomic", "cache", "locks", "options", "interrupt", "plain", "reading", "tensor_file", "__version__"
}  # fmt: skip
DOORS = {"ops", "nn", "embeddings"}  # to the compiled core: whole sequences, one step at a time, word vectors
BELOW = {  # room -> the rooms that it may import
    "equations": set(),
    "emit": {"equations"},
    "ops": {"emit"},
    "nn": {"ops"},
    "data": set(),
    "losses": {"ops"},
    "models": {"nn", "data", "embeddings"},
    "diagnosis": {"nn", "models"},
    "training": {"models", "losses", "data", "diagnosis"},
    "report": {"diagnosis", "training"},
    "embeddings": {"data"},
    "lab": {"report", "embeddings"},
    "cli": {"lab"},
}


def reach(room: str) -> set[str]:
    """The rooms below, and those below them."""
    return BELOW[room].union(*(reach(below) for below in BELOW[room]))


def imported_rooms(path: Path) -> set[str]:
    """The rooms of carousel that a file imports, wherever in it the statement stands."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relative to its folder"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        rooms |= {part[1] for part in parts if part[0] == "carousel" and len(part) > 1}
    return rooms


def files(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def test_every_room_is_known():
    """A new folder has to find its place in the picture."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= set(BELOW), "say in BELOW what the new room may import"


@pytest.mark.parametrize("room", BELOW)
def test_one_way(room):
    """A room imports itself, the rooms below it and what belongs to all; few reach the compiled core."""
    allowed = {room} | reach(room) | EVERYWHERE | ({"_core"} if room in DOORS else set())
    for path in files(room):
        above = imported_rooms(path) - allowed
        assert not above, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(above))}"


def test_rooms_are_reached_by_name():
    """After `import carousel` alone, carousel.diagnosis.lyapunov is there: no second import is needed."""
    assert set(carousel._ROOMS) <= set(BELOW)
    for room in carousel._ROOMS:
        assert carousel.__getattr__(room).__name__ == f"carousel.{room}"
    code = "import carousel, sys; assert 'torch' not in sys.modules; print(carousel.equations.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "carousel.equations", done.stderr


def test_what_belongs_to_all_stands_alone():
    """errors, atomic, options and interrupt import no room."""
    for name in ("errors", "atomic", "options", "interrupt"):
        assert imported_rooms(PACKAGE / f"{name}.py") <= EVERYWHERE


def test_the_test_sees_imports(tmp_path):
    """Plain, renamed, inside a function: each way to import a room is seen."""
    path = tmp_path / "file.py"
    path.write_text(
        "import carousel.nn as layers, json\nfrom carousel import data\nfrom carousel.emit.cpp import main\n"
        "def later():\n    from carousel.training.config import Config\n"
    )
    assert imported_rooms(path) == {"nn", "data", "emit", "training"}
