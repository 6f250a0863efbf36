"""Words of a text that is cut into words already."""

import doctest

import pytest

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary, stream
from carousel.data.vocabularies import token, vocabulary_from_json

TEXT = " the <unk> sat on the mat \n\n the dog\tsat\n"


def fit(text: str = TEXT, size: int | None = None) -> token.TokenVocabulary:
    return fit_vocabulary("token", [Document("train.txt", text)], size)  # type: ignore[return-value]


def test_examples() -> None:
    """The example gives what it shows."""
    result = doctest.testmod(token)
    assert result.attempted > 0
    assert result.failed == 0


def test_each_line_end_is_the_end_of_a_sentence() -> None:
    """Empty lines too, as is the custom with WikiText; the most frequent words come first."""
    vocabulary = fit()
    assert vocabulary.symbols == ["<eos>", "<unk>", "the", "sat", "dog", "mat", "on"]
    assert vocabulary.encode(TEXT).tolist() == [2, 1, 3, 6, 2, 5, 0, 0, 2, 4, 3, 0]
    assert vocabulary.size == 7


def test_a_stream_has_one_boundary_where_a_file_ends() -> None:
    """The end of the last line is the end of the file: no token that the corpus does not have."""
    vocabulary = fit()
    ids = stream([Document("a", "the dog\n"), Document("b", "the mat")], vocabulary)
    assert ids.tolist() == [0, 2, 4, 0, 2, 5, 0]


def test_decoded_text_has_one_space_between_words() -> None:
    """Lines come back as lines; a continuation begins with the space that its first word needs."""
    vocabulary = fit()
    assert vocabulary.decode(vocabulary.encode(TEXT)) == "the <unk> sat on the mat\n\nthe dog sat\n"
    assert "".join(vocabulary.decode_stream([2, 4, 0, 2])) == " the dog\nthe"


def test_a_size_makes_the_rarest_words_unknown() -> None:
    """The size counts the end of sentences and <unk>; a corpus without <unk> gets one by it."""
    vocabulary = fit("a a a b b c d\n", size=4)
    assert vocabulary.symbols == ["<eos>", "<unk>", "a", "b"]
    assert vocabulary.encode("c d").tolist() == [1, 1]
    assert fit("a a b\n", size=9).symbols == ["<eos>", "a", "b"]


def test_an_unknown_word_without_unk_is_refused_by_name() -> None:
    """With no <unk> in train there is nothing that could stand for it."""
    with pytest.raises(CarouselError, match="if it has no <unk>; it lacks 'bird'"):
        fit("the dog\n").encode("the bird\n")


def test_it_comes_back_from_json() -> None:
    """With and without <unk>."""
    for text in (TEXT, "the dog\n"):
        vocabulary = fit(text)
        again = vocabulary_from_json(vocabulary.to_json())
        assert again == vocabulary
        assert again.symbols == vocabulary.symbols


@pytest.mark.parametrize("words", [["a b"], [""], ["a", "a"], ["<unk>"]])
def test_words_of_a_damaged_file_are_refused(words: list[str]) -> None:
    """White space would make two of one; a word twice has two numbers."""
    data = fit().to_json() | {"words": words}
    with pytest.raises(CarouselError, match="words without white space, each once"):
        vocabulary_from_json(data)
