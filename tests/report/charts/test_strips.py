"""States drawn on their text: the colours and words say what the numbers say."""

import json
import re

import numpy as np
import pytest

from carousel.diagnosis.measures.tracking_units import Unit, UnitStrip
from carousel.report.charts.strips import coloured, figure, heading, payload, sentence, shading


def _unit(correlation: float = 0.9, binary: bool = False, state: str = "c") -> Unit:
    meaning = "the text stands inside a quoted string" if binary else "many brackets are open"
    return Unit(0, 7, state, "p", meaning, binary, correlation, 0.81, -0.64)


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        (-0.9, "follows how"),
        (0.6, "largely follows how"),
        (-0.3, "loosely follows how"),
        (0.1, "hardly follows how"),
    ],
)
def test_the_heading_is_as_sure_as_the_correlation(correlation, words):
    """The verb weakens as the correlation does, whatever its sign."""
    assert heading(_unit(correlation)) == f"Unit 7 of layer 1 {words} many brackets are open"


def test_a_binary_property_is_told_with_its_means():
    """Whether, not how; and the means inside and outside."""
    unit = _unit(binary=True)
    assert heading(unit) == "Unit 7 of layer 1 tells whether the text stands inside a quoted string"
    assert "c is 0.81 where it is so, −0.64 where it is not" in sentence(unit)


def test_colours_follow_sign_and_size():
    """A state goes from full negative to full positive; a gate from nothing at 0 to full at 1."""
    values = np.array([-2.0, 0.0, 1.0], dtype=np.float32)
    shade = shading("c", values)
    assert [shade.of(value) for value in values] == ["n20", "p0", "p10"]
    assert [shading("f", values).of(value) for value in (0.0, 0.5, 1.0)] == ["a0", "a10", "a20"]


def test_a_state_far_from_zero_is_drawn_around_its_mean():
    """24 ± 1 in one colour would show nothing; the sentence says where the middle of the colours is."""
    values = np.array([23.0, 25.0, 23.0, 25.0], dtype=np.float32)
    assert [shading("c", values).of(value) for value in values] == ["n20", "p20", "n20", "p20"]
    drawn = figure(UnitStrip(_unit(), {"c": values}), [*"abcd"])
    assert "around its mean, 24.00" in drawn.sentence


def test_text_is_escaped_and_ends_of_lines_are_seen():
    """Markup in the text stays text; a line end gets a sign that can carry colour."""
    markup = coloured(["<", "\n", "&"], np.zeros(3, dtype=np.float32), shading("f", np.zeros(3)))
    assert markup == '<i class="a0">&lt;</i><i class="a0"><b>↵</b>\n</i><i class="a0">&amp;</i>'


def test_the_payload_holds_the_values_in_hundredths():
    """What the page's script draws is what the strip holds."""
    values = {"f": np.array([0.123, 0.5], dtype=np.float32), "c": np.array([-1.5, 0.25], dtype=np.float32)}
    [unit] = json.loads(str(payload([UnitStrip(_unit(), values)])))["units"]
    assert unit["values"] == {"f": [12, 50], "c": [-150, 25]}
    assert unit["shading"] == {"f": [0, 0.0, 1.0], "c": [1, 0.0, 1.5]}


@pytest.mark.parametrize("pieces", [[*"ab cd\nef gh"], ["ab", " cd\n", "ef", " gh", "i"], ["a"]])
def test_the_line_of_gates_has_a_row_for_each(pieces):
    """Characters or longer tokens: one row per gate and state, and every cell within the picture."""
    values = {name: np.linspace(1, 0, len(pieces), dtype=np.float32) for name in "ifgcoh"}
    drawn = figure(UnitStrip(_unit(), values), pieces)
    for markup, width in ((drawn.line_wide, 680), (drawn.line_narrow, 340)):
        assert re.findall(r'class="name"[^>]*>(\w)<', markup) == [*"ifgcoh"]
        ends = [
            float(x) + float(w)
            for x, w in re.findall(r'class="s\w+" x="([\d.]+)" y="\d+" width="([\d.]+)"', markup)
        ]
        assert max(ends) <= width + 1
