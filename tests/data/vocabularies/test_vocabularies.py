"""What holds at every level: text to numbers and back, file and back, and errors."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carousel import CarouselError
from carousel.data import Document, Vocabulary, fit_vocabulary, load_vocabulary
from carousel.data.chunks import chunks
from carousel.data.vocabularies import BOUNDARY, LEVELS

TEXT = """def gamma(x):
    # π and the naïve  formula\r\n\tif x <= 0:
        raise ValueError("<eod> <unk> \U0001f3a0")

    return x ** 2  """


EXACT = [level for level in LEVELS if level != "token"]  # which keeps no white space: test_token.py


@pytest.fixture(params=EXACT)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """Fitted on the text twice, so that no word of it is rare."""
    return fit_vocabulary(request.param, [Document("1", TEXT), Document("2", TEXT)])


def test_known_text_comes_back_exactly(vocabulary: Vocabulary) -> None:
    """White space, several scripts, and the names of special symbols written in a text."""
    ids = vocabulary.encode(TEXT)
    assert ids.dtype.name == "int32"
    assert ids.ndim == 1
    assert 0 < ids.min() <= ids.max() < vocabulary.size
    assert vocabulary.decode(ids) == TEXT
    assert vocabulary.unknown(TEXT) == []


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@pytest.mark.parametrize("level", EXACT)
def test_any_text_comes_back_from_its_own_vocabulary(level: str, text: str) -> None:
    """No character of Unicode is lost between words or bytes."""
    again = Document("again", text + "\n" + text)
    vocabulary = fit_vocabulary(level, [Document("text", "\n" + text), again])
    assert (
        vocabulary.decode(vocabulary.encode(text)) == text
        if not vocabulary.unknown(text)
        else level == "word"
    )


def test_an_empty_text_has_no_symbols(vocabulary: Vocabulary) -> None:
    """The empty prompt is a valid prompt."""
    assert vocabulary.encode("").tolist() == []
    assert vocabulary.encode("").dtype.name == "int32"
    assert vocabulary.decode([]) == ""


def test_symbols_name_every_number(vocabulary: Vocabulary) -> None:
    """They label axes and tokens: the boundary first, then what each number stands for."""
    assert vocabulary.symbols[BOUNDARY] == "<eod>"
    assert len(vocabulary.symbols) == vocabulary.size == len(set(vocabulary.symbols))
    ascii_only = "return x"
    assert "".join(vocabulary.symbols[number] for number in vocabulary.encode(ascii_only)) == ascii_only


def test_the_boundary_is_shown_as_asked(vocabulary: Vocabulary) -> None:
    """It is no text of its own unless the caller says how to write it."""
    ids = [BOUNDARY, *vocabulary.encode("return"), BOUNDARY]
    assert vocabulary.decode(ids) == "return"
    assert vocabulary.decode(ids, boundary="\n--\n") == "\n--\nreturn\n--\n"


def test_a_stream_of_numbers_is_printed_as_it_comes(vocabulary: Vocabulary) -> None:
    """Each piece of text appears as soon as its number is known, before the next is drawn."""
    drawn: list[int] = []

    def draw() -> Iterator[int]:
        for number in vocabulary.encode("x <= 0:"):
            drawn.append(int(number))
            yield int(number)

    text, seen = "", 0
    for piece in vocabulary.decode_stream(draw()):
        text, seen = text + piece, seen + 1
        assert len(drawn) == seen
    assert text == "x <= 0:"


@pytest.mark.parametrize("number", [-1, 10_000_000])
def test_numbers_outside_the_vocabulary_are_refused(vocabulary: Vocabulary, number: int) -> None:
    """A negative number does not count from the end."""
    with pytest.raises(CarouselError, match=f"got {number}"):
        vocabulary.decode([number])


def test_text_that_is_not_unicode_is_refused(vocabulary: Vocabulary) -> None:
    """A lone surrogate, as an argument in another encoding leaves it, is named."""
    with pytest.raises(CarouselError, match=r"character 1 is the lone surrogate '\\udcff'"):
        vocabulary.encode("x\udcff")


def test_a_saved_vocabulary_is_the_same_when_loaded(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Symbols, numbers and level survive the file."""
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    loaded = load_vocabulary(path)
    assert loaded == vocabulary
    assert loaded.level == vocabulary.level
    assert loaded.symbols == vocabulary.symbols
    assert loaded.encode(TEXT + "?").tolist() == vocabulary.encode(TEXT + "?").tolist()


def test_fitting_twice_gives_the_same_vocabulary(vocabulary: Vocabulary) -> None:
    """Ties are broken by rule, not by the order of a hash table."""
    documents = [Document("1", TEXT), Document("2", TEXT)]
    assert all(fit_vocabulary(vocabulary.level, documents) == vocabulary for _ in range(5))


def test_a_truncated_file_is_refused_at_every_length(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Wherever the file ends too early, the error is a clear one that names it."""
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    data = path.read_bytes().rstrip()
    for length in [0, 1, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CarouselError, match=r"vocabulary\.json"):
            load_vocabulary(path)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"format": "other"}, "something else"),
        ({"version": 2}, "Upgrade"),
        ({"version": None}, "Upgrade"),
        ({"level": "syllable"}, "one of char, word, bpe"),
        ({"level": ["char"]}, "one of char, word, bpe"),
        ({"characters": None, "words": None, "tokenizer": None}, "must be a list|must be names with values"),
        (
            {"characters": ["ab"], "words": [1], "tokenizer": {"model": "?"}},
            "single characters|must be text|must be names with values",
        ),
    ],
)
def test_foreign_and_damaged_files_are_refused(
    vocabulary: Vocabulary, tmp_path: Path, change: dict[str, object], rule: str
) -> None:
    """Each with its rule, and the file by name."""
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(vocabulary.to_json() | change))
    with pytest.raises(CarouselError, match=rf"vocabulary\.json.*({rule})"):
        load_vocabulary(path)


@pytest.mark.parametrize("data", [b"[]", b"3", b"\xff\xfe\x00", b"null"])
def test_json_and_bytes_of_anything_else_are_refused(tmp_path: Path, data: bytes) -> None:
    """A file of another kind is named."""
    path = tmp_path / "vocabulary.json"
    path.write_bytes(data)
    with pytest.raises(CarouselError, match=r"vocabulary\.json"):
        load_vocabulary(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """No OSError escapes."""
    with pytest.raises(CarouselError, match="does not exist"):
        load_vocabulary(tmp_path / "vocabulary.json")


def test_an_unknown_level_names_those_there_are() -> None:
    """The way out is in the message."""
    with pytest.raises(CarouselError, match="one of char, word, bpe, token; got 'letter'"):
        fit_vocabulary("letter", [Document("a", "text")])


@pytest.mark.parametrize("level", LEVELS)
def test_a_vocabulary_needs_text_and_room(level: str) -> None:
    """Nothing to learn from, or a size below the special symbols, is refused."""
    with pytest.raises(CarouselError, match="no character"):
        fit_vocabulary(level, [Document("a", "")])
    for size in (0, -5, 2, True, 300.0):
        with pytest.raises(CarouselError, match="size"):
            fit_vocabulary(level, [Document("a", "text")], size)  # type: ignore[arg-type]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*"ab \n\t\r\x0b\x1c\x85\u00a0\u2028\u3000\u200b.", " \n\n \n"]), max_size=60
    ).map("".join)
)
def test_cutting_a_long_text_changes_no_symbol(text: str) -> None:
    """Pieces join to the text, and words and byte pairs are the same with and without them."""
    assume(max(map(len, re.split(r"(?<=\S)(?=[ \t\r\n])", text))) < 30)  # what is longer may be cut anywhere
    parts = list(chunks(text, 10))
    assert "".join(parts) == text
    for vocabulary in CUT:
        whole = [int(number) for number in vocabulary.encode(text)]
        assert [int(number) for part in parts for number in vocabulary.encode(part)] == whole


CUT = [fit_vocabulary(level, [Document("a", "a  b\n\n\tb .\n  a \n\n \n" * 5)]) for level in ("word", "bpe")]
