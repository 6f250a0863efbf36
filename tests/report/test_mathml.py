"""Formulas in MathML: indices, powers and products are marked up, and words stay words."""

from xml.etree import ElementTree

import pytest

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.report.mathml import mathml


def test_indices_and_powers_are_scripts():
    """A subscript and a transposed sign stand at one symbol, and a raised digit is a power."""
    html = mathml("∂c_t = V_o^T δo_t + g_{t-1}²")
    assert "<msubsup><mi>V</mi><mrow><mi>o</mi></mrow><mrow><mi>T</mi></mrow></msubsup>" in html
    assert "<mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow><mrow><mn>2</mn></mrow></msubsup>" in html.replace(
        ' stretchy="false"', ""
    )


def test_a_product_has_a_space_and_a_sum_has_none():
    """Spaces stay between factors only: browsers set those around operators."""
    assert mathml("a = W x").count("mspace") == 1
    assert mathml("a = b + c").count("mspace") == 0


@pytest.mark.parametrize("name", CELLS)
def test_every_formula_of_the_catalogue_is_typeset(name):
    """The markup is well formed, has a row for each equation, and no index is left as text."""
    lines = formula.text(CELLS[name].equations, backward=True)
    html = mathml(lines)
    rows = ElementTree.fromstring(f"<div>{html}</div>").iter("mtr")
    equations = [line for line in lines.split("\n") if " = " in line and not line.startswith("Backward")]
    assert len(list(rows)) == len(equations)
    assert "_" not in html
    assert "{" not in html


def test_a_note_stays_words():
    """A line that is no equation is a paragraph, with its markup escaped."""
    assert mathml("where a < b") == '<p class="hint">where a &lt; b</p>'


def test_a_sum_goes_on_below_the_equals_sign():
    """A line that begins with a sign has it in the column of the equals sign, where a browser leaves space."""
    assert "<mtd><mo>+</mo></mtd><mtd><mrow><mi>c</mi></mrow></mtd>" in mathml("a = b\n  + c")
