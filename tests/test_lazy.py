"""Names that are imported when they are first used: all that is promised is there, and nothing hides it."""

import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import carousel

PACKAGES = ["", ".data", ".data.sequences", ".diagnosis", ".embeddings", ".models", ".report", ".training"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_is_there(name):
    """What `__all__` lists can be had and is listed by `dir`; another name is an AttributeError that says where."""
    package = import_module(f"carousel{name}")
    assert len(set(package.__all__)) == len(package.__all__)
    for each in package.__all__:
        assert getattr(package, each) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=rf"module 'carousel{name}' has no attribute 'nonsense'"):
        package.nonsense  # noqa: B018


@pytest.mark.parametrize("name", [each for each in PACKAGES if each != ".diagnosis"])
def test_no_module_hides_a_name(name):
    """A module of the same name would take its place as soon as somebody imports it."""
    package = import_module(f"carousel{name}")
    modules = {each.name for each in pkgutil.iter_modules(package.__path__)}
    rooms = {"data", "diagnosis", "embeddings", "equations", "losses", "models", "nn", "report", "training"}
    assert modules & set(package.__all__) <= (rooms if name == "" else set())


def test_importing_the_package_loads_next_to_nothing():
    """Neither torch nor NumPy, nor what looks up the version: it takes milliseconds."""
    code = "import carousel, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "importlib.metadata", "yaml", "rich", "typer"} & set(done.stdout.split())


def test_a_star_import_brings_all():
    """`from carousel import *` is what a notebook may begin with."""
    found: dict[str, object] = {}
    exec("from carousel import *", found)
    assert set(carousel.__all__) <= set(found)


def test_the_page_lists_every_name_in_order():
    """`docs/interface.md` and `__all__` say the same: names by subject."""
    page = (Path(__file__).parent.parent / "docs" / "interface.md").read_text()
    table = page[page.index("| modules") : page.index("Five verbs")]
    listed = re.findall(r"`(\w+)`", table)
    assert listed == carousel.__all__
