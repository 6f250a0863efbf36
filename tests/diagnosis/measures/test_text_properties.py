"""Properties of text, read by hand."""

import pytest

from carousel.diagnosis import text_properties


def _values(text: str, name: str) -> str:
    """One digit per character, to stand under the text."""
    return "".join(str(int(value)) for value in {p.name: p for p in text_properties(text)}[name].values)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("column", "ab\n c", "12012"),
        ("indentation", "  a b\n c", "12222011"),
        ("leading space", "  a b\n c", "11000010"),
        ("brackets", "f(a[1])b", "01122100"),
        ("brackets", "'(' + (", "0000001"),
        ("brackets", "(a\n\nb", "11000"),
        ("string", "x='a b'y", "00111100"),
        ("string", r"'a\'b' c", "11111000"),
        ("string", "'ab\nc", "11100"),
        ("string", "don't 'a'", "000000110"),
        ("string", "rb'a'", "00110"),
        ("string", "# it's\n'a'", "0000000110"),
        ("long string", '"""a"b"""c', "1111110000"),
        ("comment", "a # b\nc", "0011100"),
        ("comment", "'#' #", "00001"),
        ("word", "ab c_1 ", "1201230"),
        ("capital", "aBc", "010"),
        ("digit", "a12b", "0110"),
    ],
)
def test_properties_stand_under_their_text(name, text, values):
    """Each property is read after its character: an opening quote is inside, a closing one outside."""
    assert _values(text, name) == values


def test_tokens_take_the_value_of_their_last_character():
    """A token of several characters is judged where it ends."""
    brackets = {p.name: p for p in text_properties(["f(", "a, b", ")"])}["brackets"]
    assert brackets.values.tolist() == [1, 1, 0]


def test_a_property_that_never_changes_is_not_worth_following():
    """varies() is false for a text without brackets and true for one with."""
    without, some = (
        {p.name: p for p in text_properties(text)}["brackets"] for text in ("abc " * 50, "a(b) " * 50)
    )
    assert not without.varies()
    assert some.varies()
