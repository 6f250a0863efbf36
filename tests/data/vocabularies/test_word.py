"""Words as symbols."""

import pytest

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary

TEXT = "for x in y:\n    for  z in x:\n"


def test_a_word_carries_the_space_before_it_and_a_line_end_its_indentation() -> None:
    """So joining the words gives the text back, and a sentence has about as many symbols as words."""
    vocabulary = fit_vocabulary("word", [Document("1", TEXT * 2)])
    pieces = [vocabulary.symbols[number] for number in vocabulary.encode(TEXT)]
    assert pieces == ["for", " x", " in", " y", ":", "\n    ", "for", "  ", "z", " in", " x", ":", "\n"]


def test_frequent_words_come_first_and_rare_ones_are_unknown() -> None:
    """A word seen once cannot be learned; as <unk> it teaches what to expect of new words."""
    vocabulary = fit_vocabulary("word", [Document("1", "a,a,a,b,b,c")])
    assert vocabulary.symbols == ["<eod>", "<unk>", ",", "a", "b"]
    assert vocabulary.decode(vocabulary.encode("b,c")) == "b,\ufffd"


def test_a_size_keeps_the_most_frequent_words() -> None:
    """The size counts the special symbols too."""
    vocabulary = fit_vocabulary("word", [Document("1", "a,a,a,b,b,c,c")], size=4)
    assert vocabulary.symbols == ["<eod>", "<unk>", ",", "a"]


def test_a_text_without_repetition_keeps_all_its_words() -> None:
    """Too short to be choosy: better every word than none."""
    assert fit_vocabulary("word", [Document("1", "to be")]).symbols == ["<eod>", "<unk>", " be", "to"]


def test_a_strict_prompt_names_its_unknown_words() -> None:
    """Each once, in order."""
    vocabulary = fit_vocabulary("word", [Document("1", TEXT * 2)])
    with pytest.raises(CarouselError, match=r"word must be .* has no ' w', 'while'"):
        vocabulary.encode("for w in x:while w", strict=True)
