"""Diagrams say what the equations say, and nothing lies on anything else."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from carousel.equations.catalogue import CELLS
from carousel.lab import diagrams
from carousel.lab.formulas import CBOW, TDNN, SkipGram

BOX = re.compile(r'class="node" x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"')


def words(picture: str) -> list[str]:
    """All texts of a picture, with their indices."""
    root = ElementTree.fromstring(picture)
    return ["".join(text.itertext()).replace("\u200b", "") for text in root.iter("text")]


@pytest.mark.parametrize(
    "equations", [*(CELLS[name].equations for name in CELLS), TDNN().equations, CBOW().equations]
)
def test_boxes_do_not_overlap(equations):
    """Every box of a cell is free of the others, and lies on the paper."""
    picture = diagrams.cell(equations, "cell").picture
    boxes = [tuple(map(float, found)) for found in BOX.findall(picture)]
    height = float(re.search(r'viewBox="0 0 680 (\d+)"', picture)[1])
    assert boxes
    for x, y, width, tall in boxes:
        assert 0 <= x <= 680 - width
        assert 0 <= y <= height - tall
    for (a, b, width, tall), (c, d, other, high) in combinations(boxes, 2):
        assert a + width <= c or c + other <= a or b + tall <= d or d + high <= b


def test_an_lstm_has_its_gates_and_its_carousel():
    """Four gates read x and h, and c goes through a product and a sum only."""
    found = words(diagrams.cell(CELLS["lstm"].equations, "LSTM").picture)
    assert {"i = σ", "f = σ", "o = σ", "g = tanh", "xt", "ht−1", "ct−1", "ct", "ht"} <= set(found)
    assert found.count("×") == 3
    assert found.count("+") == 1


def test_a_peephole_is_a_line_from_the_cell():
    """The LSTM with peepholes has three more lines: from c to i, f and o."""
    plain, peephole = (diagrams.cell(CELLS[name].equations, "").picture for name in ("lstm", "lstm-diagonal"))
    assert peephole.count("<polygon") - plain.count("<polygon") == 3


def test_what_is_not_recurrent_has_no_time():
    """Skip-gram scores words: its vectors have no index."""
    found = words(diagrams.cell(SkipGram().equations, "skip-gram", time=False).picture)
    assert {"v", "u", "n", "Div"} <= set(found)


def test_unrolled_steps_are_connected_by_states_alone():
    """Without states nothing connects the steps; each state adds an arrow between two steps, and one at each end."""
    steps = (["a"] * 3, ["f"] * 3, [["y"]] * 3)
    apart, joined = diagrams.unrolled("", *steps), diagrams.unrolled("", *steps, [["h"] * 4])
    assert joined.picture.count("<polygon") - apart.picture.count("<polygon") == 4


def test_the_product_is_the_column_of_the_word():
    """The marked column of PW and the result have the same colours."""
    picture = diagrams.one_hot_product("", [[0.5, -1.0], [0.25, 0.75]], ["a", "b"], 1).picture
    marked = re.findall(r'class="cell marked".*?fill: ([^"]+)"', picture)
    assert marked[:2] == marked[-2:] == ["rgb(var(--n) / 1.00)", "rgb(var(--p) / 0.75)"]
