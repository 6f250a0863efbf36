"""Diagrams say what the equations say, and nothing lies on anything else."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from carousel.equations import trace
from carousel.equations.catalogue import CELLS
from carousel.lab import diagrams
from carousel.lab.adder.measure import CarryCell
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


LABEL = re.compile(
    r'<text class="(?:name|label)[^"]*" x="([-\d.]+)" y="([-\d.]+)" text-anchor="(\w+)">(.*?)</text>'
)


def spans(picture: str) -> list[tuple[float, float, float]]:
    """(left, right, y) of every text, about as wide as a browser draws it."""
    found = []
    for x, y, anchor, inner in LABEL.findall(picture):
        wide = 8 * len(re.sub(r"<[^>]*>|&#8203;", "", inner))
        left = float(x) - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        found.append((left, left + wide, float(y)))
    return found


def test_names_of_states_lie_on_the_paper():
    """A long name with an index is not cut at the left edge."""
    assert min(left for left, *_ in spans(diagrams.cell(trace(CarryCell()), "").picture)) >= 0


def test_words_of_a_state_lie_between_the_boxes():
    """The last carry of a worked sum covers neither the last box nor the edge."""
    picture = diagrams.unrolled("", ["a"] * 5, ["f"] * 5, [["y"]] * 5, [["0.01"] * 6]).picture
    boxes = [(float(x), float(x) + float(width)) for x, _, width, _ in BOX.findall(picture)]
    carried = [span for span in spans(picture) if span[1] - span[0] == 32]  # those of four letters
    assert len(carried) == 6
    for left, right, _ in carried:
        assert 0 <= left < right <= 680
        assert all(right <= start or end <= left for start, end in boxes)


def test_words_of_near_arrows_lie_apart():
    """Two arrows that end at one height on one side have their words above each other."""
    arrows = [((0.0, 0.0), (1.0, 0.3), "long words", "s1"), ((0.0, 0.0), (0.9, 0.31), "others", "s2")]
    (_, _, a), (_, _, b) = spans(diagrams.plane("", 1.4, arrows).picture)
    assert abs(a - b) >= 14
