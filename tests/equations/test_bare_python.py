"""What the build runs needs nothing but Python."""

import subprocess
import sys
from pathlib import Path

import carousel

SOURCE = Path(carousel.__file__).parents[1]
WITHOUT = f"""
import sys
sys.stdout.reconfigure(encoding="utf-8")
sys.path.insert(0, {str(SOURCE)!r})
for name in ("torch", "numpy"):
    sys.modules[name] = None  # importing it raises ImportError
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that finds no installed package, let alone torch or NumPy."""
    command = [sys.executable, "-I", "-S", "-c", WITHOUT + code]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def test_the_fence_holds():
    """In that Python torch and NumPy cannot be imported, so the tests below can fail."""
    for name in ("torch", "numpy"):
        assert "ModuleNotFoundError" in run(f"import {name}").stderr


def test_equations_and_kernels(tmp_path):
    """The language, the derivation, the C++ and the formulas come without torch and NumPy."""
    path = tmp_path / "cells.hpp"
    done = run(
        "import carousel.equations, carousel.equations.derive, carousel.emit.program\n"
        "from carousel.emit import cpp, formula\n"
        "from carousel.equations.catalogue import CELLS\n"
        f"cpp.main({str(path)!r})\n"
        "print(formula.text(CELLS['lstm'].equations, backward=True))"
    )
    assert done.returncode == 0, done.stderr
    assert "∂W_o = Σ_t" in done.stdout
    assert "lstm_full_backward_1" in path.read_text()


def test_import_carousel():
    """The package itself loads neither: each public name is imported when it is first used."""
    done = run("import carousel; print(carousel.Cell.__name__)")
    assert done.stdout == "Cell\n", done.stderr
