"""Tracing a step: order, names, states, and the mistakes of a cell's author."""

import gc
import sys

import pytest

from carousel.equations import Cell, affine, sigmoid, tanh
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError


def cell_of(step, states=("h",)):
    """A cell with this step."""
    return type("MyCell", (Cell,), {"step": step, "states": states})()


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("rnn-relu", ["h"]),
        ("lstm", ["i", "f", "g", "c", "o", "h"]),
        ("lstm-diagonal", ["i", "f", "g", "c", "o", "h"]),
        ("lstm-full", ["i", "f", "g", "c", "o", "h"]),
        ("gru", ["r", "z", "n", "h"]),
        ("gru-before", ["r", "z", "n", "h"]),
    ],
)
def test_names(cell, names):
    """The author's variables name the vectors, in the order of the equations."""
    assert list(CELLS[cell].equations.names.values()) == names


def test_nodes_in_order_of_writing():
    """Operands stand before what is made of them, and what the new states do not need is left out."""

    def step(self, x, h):
        affine("unused", x, h)
        return tanh(affine("a", x, h)) * h

    equations = cell_of(step).equations
    seen = set()
    for node in equations.nodes:
        assert seen.issuperset(node.operands)
        seen.add(node)
    assert [node.name for node in equations.affines] == ["a"]
    assert equations.nodes[-1] is equations.new_states[0]


def test_a_variable_with_the_name_of_another_state():
    """An intermediate h does not pass for the new state h."""

    def step(self, x, h, c):
        y = tanh(affine("a", x, h))
        h = sigmoid(y * c)
        return y, 2 * h

    equations = cell_of(step, ("h", "c")).equations
    assert list(equations.names.values()) == ["h", "h'", "c"]
    assert equations.names[equations.new_states[0]] == "h"


def test_names_of_an_inherited_step():
    """A subclass that only renames the class keeps the names of its step's variables."""
    assert list(type("Mine", (type(CELLS["gru"]),), {})().equations.names.values()) == ["r", "z", "n", "h"]


def test_tracing_leaves_no_profiler():
    """The profiler that reads the variables is gone afterwards, also when the step fails."""

    def fails(self, x, h):
        raise KeyError("my own mistake")

    before = sys.getprofile()
    with pytest.raises(KeyError, match="my own mistake"):
        cell_of(fails).equations  # noqa: B018
    assert sys.getprofile() is before


def test_key_is_the_mathematics():
    """Cells with the same equations share a key, whatever their variables are called; others do not."""

    def one(self, x, h):
        gate = sigmoid(affine("z", x, h))
        return gate * h

    def other(self, x, h):
        return sigmoid(affine("z", x, h)) * h

    def swapped(self, x, h):
        return h * sigmoid(affine("z", x, h))

    assert cell_of(one).equations.key == cell_of(other).equations.key
    assert cell_of(one).equations.key != cell_of(swapped).equations.key
    keys = {cell.equations.key for cell in CELLS.values()}
    assert len(keys) == len(CELLS)


def test_key_outlives_the_objects():
    """The key of a cell is the same after everything was forgotten and traced again."""
    key = type(CELLS["lstm"])().equations.key
    gc.collect()
    assert type(CELLS["lstm"])().equations.key == key == CELLS["lstm"].equations.key


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda self, x, h: None, r"must return one vector for each of its states \(h\); it returned None"),
        (lambda self, x, h: (h, h), r"one vector for each of its states \(h\); it returned \(state"),
        (lambda self, x, h: 1.0, r"it returned 1.0"),
        (lambda self, x, h: x, r"uses x outside affine; .* Project it first, as in affine\(\"x\", x\)"),
        (lambda self, x, h: x * h, "uses x outside affine"),
        (lambda self, x, h: tanh(x) + h, "uses x outside affine"),
    ],
)
def test_refused_steps(step, message):
    """A step that returns the wrong vectors or reads x bare is refused by the name of its class."""
    with pytest.raises(CarouselError, match=r"MyCell\.step .*" + message):
        cell_of(step).equations  # noqa: B018


def test_no_step():
    """A cell without a step says what to define."""
    with pytest.raises(CarouselError, match=r"MyCell must define step\(self, x, h, c\)"):
        type("MyCell", (Cell,), {"states": ("h", "c")})().equations  # noqa: B018


@pytest.mark.parametrize("states", [(), ("h", "h"), ("x",), ("h", "i"), ("h c",), ("h", 1), "hc", ["h"]])
def test_refused_states(states):
    """States are distinct names; x is the input, and a matrix of a state i would be called as the input's."""
    with pytest.raises(CarouselError, match=r"MyCell\.states must be a tuple of distinct names.*it is "):
        cell_of(lambda self, x, *states: states, states).equations  # noqa: B018
