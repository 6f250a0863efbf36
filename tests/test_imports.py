"""Imports point one way, from the equations to the command line; and no two files import each other in a circle."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import carousel

PACKAGE = Path(carousel.__file__).parent
EVERYWHERE = {
    "errors",
    "atomic",
    "cache",
    "locks",
    "options",
    "plain",
    "reading",
    "tensor_file",
    "lazy",
    "version",
    "interrupt",
    "progress",
    "printable",
    "shown",
    "terminal",
    "display",
    "notebook",
    "extras",
    "__version__",
}
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
UPWARDS = (
    "shown",
    "report.pages",
)  # the one arrow that points up: a result asks for its page when it is shown


def reach(room: str) -> set[str]:
    """The rooms below, and those below them."""
    return BELOW[room].union(*(reach(below) for below in BELOW[room]))


def names_in(path: Path) -> Iterator[str]:
    """Every name of carousel that a file refers to, without the first word: in an import statement, for types alone
    or inside a function too; where it calls `import_module`, as a string, in a call or in a table of lazy homes.
    """
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relative to its folder"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "import_module" in text:
            names = [node.value]
        yield from (name.removeprefix("carousel.") for name in names if name.startswith("carousel."))


def imported_rooms(path: Path) -> set[str]:
    """The rooms of carousel that a file imports."""
    return {name.split(".")[0] for name in names_in(path)}


def files(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported_files(path: Path) -> set[str]:
    """The files of carousel that a file imports; a package stands for its __init__."""
    found = set()
    for name in names_in(path):
        parts = name.split(".")
        for size in range(len(parts), 0, -1):
            place = PACKAGE.joinpath(*parts[:size])
            if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
                found.add(module_name(place / "__init__.py" if place.is_dir() else place.with_suffix(".py")))
                break
    return found - {module_name(path)}


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Files that import each other round in a circle, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


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


def test_no_circles():
    """No file imports another that leads back to it; what a package offers lazily counts from its __init__ on."""
    graph = {module_name(path): imported_files(path) for path in sorted(PACKAGE.rglob("*.py"))}
    graph[UPWARDS[0]].remove(UPWARDS[1])
    assert not circle_in(graph)


def test_rooms_are_reached_by_name():
    """After `import carousel` alone, carousel.diagnosis.lyapunov is there: no second import is needed."""
    for room in set(carousel.__all__) & set(BELOW):
        assert getattr(carousel, room).__name__ == f"carousel.{room}"
    code = "import carousel, sys; assert 'torch' not in sys.modules; print(carousel.equations.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "carousel.equations", done.stderr


def test_what_belongs_to_all_stands_alone():
    """What every room may import imports no room."""
    for name in EVERYWHERE - {"shown", "__version__"}:
        assert imported_rooms(PACKAGE / f"{name}.py") <= EVERYWHERE
    assert imported_files(PACKAGE / "shown.py") == {"atomic", "report.pages"}


def test_the_test_sees_imports(tmp_path):
    """Plain, renamed, inside a function, by a string: each way to import a room is seen."""
    path = tmp_path / "file.py"
    path.write_text(
        "import carousel.nn as layers, json\nfrom carousel import data\nfrom carousel.emit.cpp import main\n"
        "def later():\n    from carousel.training.api import train\n    import_module('carousel.report.pages')\n"
        "HOMES = {'LSTM': 'carousel.models'}\n"
    )
    assert imported_rooms(path) == {"nn", "data", "emit", "training", "report", "models"}


def test_the_test_sees_circles():
    """One of three files is named with those that lead back to it."""
    assert set(circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert circle_in({"a": {"b"}, "b": {"c"}}) == []
