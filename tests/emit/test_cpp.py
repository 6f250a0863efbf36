"""The generated C++: the same from the same equations, and written only when it changed."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from equations.user_cells import USER_CELLS

import carousel
from carousel.emit import cpp
from carousel.emit.phases import schedule
from carousel.emit.program import Kind, Place
from carousel.equations import Cell, affine, maximum, minimum
from carousel.equations.catalogue import CELLS

ALL = {name: cell.equations for name, cell in (CELLS | USER_CELLS).items()}


def generated(seed: str, path: Path) -> str:
    """What the build writes, in a process of its own."""
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(carousel.__file__).parents[1])}
    subprocess.run([sys.executable, "-m", "carousel.emit.cpp", str(path)], env=environment, check=True)
    return path.read_text()


def test_deterministic(tmp_path):
    """Every process writes the same text, whatever its hashes and addresses."""
    ours = cpp.source({name: cell.equations for name, cell in CELLS.items()})
    assert generated("1", tmp_path / "one.hpp") == generated("2", tmp_path / "two.hpp") == ours


def test_an_unchanged_file_is_left_alone(tmp_path):
    """The second run does not touch the file, so nothing is compiled again; a changed one is written anew."""
    path = tmp_path / "new" / "cells.hpp"
    cpp.main(str(path))
    text = path.read_text()
    os.utime(path, ns=(1, 1))
    cpp.main(str(path))
    assert path.stat().st_mtime_ns == 1
    path.write_text(text + "// edited")
    cpp.main(str(path))
    assert path.read_text() == text


def test_every_cell_is_in_the_table():
    """One row for each cell: its key, and the phases of both passes."""
    text = cpp.source(ALL)
    for name, equations in ALL.items():
        name = name.replace("-", "_")
        assert f'{{"{equations.key}", {name}_forward<T>, {name}_backward<T>}},' in text
        for direction, phases in (
            ("forward", schedule(equations).forward),
            ("backward", schedule(equations).backward),
        ):
            listed = ", ".join(f"{name}_{direction}_{index}<T>" for index in range(len(phases)))
            assert f"{name}_{direction}[] = {{{listed}}};" in text
            assert text.count(f"void {name}_{direction}_") == len(phases)


@pytest.mark.parametrize("name", ALL)
def test_variables_are_defined_before_use(name):
    """Each value is computed once, from values above it, and each array is declared."""
    for function in cpp.cell_source(name, schedule(ALL[name])).split("template <class T>\nvoid ")[1:]:
        defined = set(re.findall(r"const Rows<T> (a\d+) ", function))
        for line in function.splitlines():
            if "const Rows" in line:
                continue
            made = re.match(r"\s*const V (v\d+) = ", line)
            used = set(re.findall(r"\b[av]\d+\b", line)) - ({made[1]} if made else set())
            assert used <= defined, line
            if made:
                assert made[1] not in defined
                defined.add(made[1])


def test_no_product_in_an_elementwise_phase():
    """Matrix products are the time loop's; what is generated is unit by unit."""
    text = cpp.source(ALL)
    assert "affine" not in text
    assert "transposed" not in text


def test_infinity():
    """An infinite number is written as C++ has it."""

    class Clamped(Cell):
        def step(self, x, h):
            return minimum(maximum(affine("a", x, h), -math.inf), math.inf)

    text = cpp.cell_source("clamped", schedule(Clamped().equations))
    assert "splat<T>(-__builtin_inf())" in text
    assert "splat<T>(__builtin_inf())" in text


def test_numbers_of_arrays():
    """The arrays stand in the order that the time loop knows: tape, previous, new, diagonals, ..."""
    numbers = cpp.operand_numbers(schedule(CELLS["lstm-diagonal"].equations))
    assert list(numbers.values()) == list(range(len(numbers)))
    assert numbers[Place(Kind.TAPE, 0)] == 0
    assert numbers[Place(Kind.PREVIOUS, 0)] == 5  # the sixth slot of the tape is the new c
    assert numbers[Place(Kind.NEW, 0)] == 7
    assert max(numbers, key=numbers.__getitem__) == Place(Kind.LEARNED_GRADIENT, 2)
