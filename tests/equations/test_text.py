"""Equations as text: what exported graphs carry comes back as it was, and what is no cell is refused."""

import json

import pytest
from equations.user_cells import USER_CELLS

from carousel import CarouselError
from carousel.equations.catalogue import CELLS
from carousel.equations.masked import Masked
from carousel.equations.text import LONGEST, read

ALL = {**CELLS, **USER_CELLS}


@pytest.mark.parametrize("name", ALL)
def test_there_and_back(name):
    """The same mathematics: key, text and the layout of the parameters, also of the cell with its mask."""
    for cell in (ALL[name], Masked(ALL[name])):
        equations = cell.equations
        found = read(equations.text)
        assert (found.key, found.text, found.states) == (equations.key, equations.text, equations.states)
        assert found.layout.shapes(3, 5) == equations.layout.shapes(3, 5)


def changed(**given) -> str:
    """The text of the plain cell, with other parts."""
    return json.dumps({**json.loads(CELLS["rnn-tanh"].equations.text), **given}, separators=(",", ":"))


NODES = json.loads(CELLS["rnn-tanh"].equations.text)["nodes"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gru",
        "[]",
        "[" * 100_000,
        " " * (LONGEST + 1),
        changed(version=2),
        changed(states="h"),
        changed(states=["i"]),
        changed(states=["h", "h"], new_states=[3, 3]),
        changed(new_states=[]),
        changed(new_states=[4]),
        changed(new_states=[-1]),
        changed(new_states=[True]),
        changed(nodes=None),
        changed(nodes=[*NODES[:3], ["tanh", "", 0.0, [7]]]),
        changed(nodes=[*NODES[:3], ["tanh", "", 0.0, [2, 2]]]),
        changed(nodes=[*NODES[:3], ["__import__", "", 0.0, [2]]]),
        changed(nodes=[*NODES[:2], ["affine", "a\n b", 0.0, [0, 1]], NODES[3]]),
        changed(nodes=[*NODES[:2], ["affine", "n", "0", [0, 1]], NODES[3]]),
        changed(nodes=[NODES[0], ["state", "c", 0.0, []], *NODES[2:]]),
        changed(nodes=[*NODES, ["tanh", "", 0.0, [3]]]),
        changed(nodes=[*NODES[:2], ["tanh", "", 0.0, [0]], ["tanh", "", 0.0, [2]]]),
        changed() + " ",
    ],
)
def test_what_is_no_cell(text):
    """Other JSON, unknown operations, numbers of nothing, names that are none and text that no cell has."""
    with pytest.raises(CarouselError):
        read(text)
