"""Characters as symbols."""

import pytest

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary


def test_every_character_is_a_symbol_after_the_special_two() -> None:
    """Sorted by code point, whatever the order of the text."""
    vocabulary = fit_vocabulary("char", [Document("1", "ba\n"), Document("2", "ü\U0001f3a0b")])
    assert vocabulary.symbols == ["<eod>", "<unk>", "\n", "a", "b", "ü", "\U0001f3a0"]
    assert vocabulary.encode("\U0001f3a0ba").tolist() == [6, 4, 3]


def test_other_characters_are_unknown() -> None:
    """Below, between and above the known code points; they are decoded as replacement characters."""
    vocabulary = fit_vocabulary("char", [Document("1", "bd")])
    assert vocabulary.encode("abcd\U0010ffff").tolist() == [1, 2, 1, 3, 1]
    assert vocabulary.decode([1, 2, 1]) == "\ufffdb\ufffd"


def test_a_strict_prompt_names_its_unknown_characters() -> None:
    """Each once, in order, with a way out; a known prompt passes."""
    vocabulary = fit_vocabulary("char", [Document("1", "abc")])
    with pytest.raises(CarouselError, match=r"has no 'ü', '\?'. .*bpe"):
        vocabulary.encode("aü?üb", strict=True)
    assert vocabulary.encode("cab", strict=True).tolist() == [4, 2, 3]


def test_a_size_keeps_the_most_frequent_characters() -> None:
    """The size counts the special symbols too."""
    vocabulary = fit_vocabulary("char", [Document("1", "aaabbbccd")], size=4)
    assert vocabulary.symbols == ["<eod>", "<unk>", "a", "b"]
