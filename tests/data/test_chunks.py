"""Long texts in pieces that fit into memory."""

import pytest

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary, large
from carousel.data.chunks import CHUNK, chunks
from carousel.data.vocabularies import LEVELS, base
from carousel.data.vocabularies.bpe import _short

ONE_LINE = "one two  three, four.\t" * 10_000  # 220,000 characters


def test_pieces_end_at_white_space_behind_a_word() -> None:
    """Every piece but the first begins with all of its white space, however long that is."""
    parts = list(chunks("one two   three\n\n four", 4))
    assert parts == ["one two", "   three", "\n\n four"]


def test_where_there_is_no_white_space_a_piece_ends_all_the_same() -> None:
    """After four times the length asked for, between two characters."""
    assert [len(part) for part in chunks("x" * 100, 10)] == [40, 40, 20]


@pytest.mark.parametrize(
    ("level", "text"),
    [
        *((level, ONE_LINE) for level in LEVELS),
        *((level, "字" * 100_000) for level in ("char", "word", "bpe")),
    ],
    ids=[*LEVELS, *(f"{level} without white space" for level in ("char", "word", "bpe"))],
)
def test_no_tokenizer_is_given_a_long_text(monkeypatch: pytest.MonkeyPatch, level: str, text: str) -> None:
    """A text in one line is learned from, encoded and searched for unknown words in pieces."""
    monkeypatch.setattr(base, "chunks", lambda text: chunks(text, 1 << 14))
    given: list[int] = []

    def noted(name: str):
        kind = type(fit_vocabulary(level, [Document("a", "a b a b")]))
        before = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, text: (given.append(len(text)), before(self, text))[1])

    noted("_encode")
    vocabulary = fit_vocabulary(level, [Document("a", text)])
    decoded = vocabulary.decode(vocabulary.encode(text))
    assert max(given) <= 4 << 14
    if text is ONE_LINE:  # words of 100,000 characters are cut
        assert decoded.split() == text.split()
        assert vocabulary.unknown(text) == []


@pytest.mark.parametrize("level", ["char", "token"])
def test_an_error_shows_the_beginning_of_a_long_word(level: str) -> None:
    """What has no symbol is named, but never a text at its full length."""
    vocabulary = fit_vocabulary(level, [Document("a", "b b\n")])
    with pytest.raises(CarouselError, match="字") as error:
        vocabulary.encode("字" * 100_000, strict=True)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("level", ["word", "bpe"])
def test_a_tokenizer_learns_from_small_pieces(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """What the trainer is fed at once is bounded, with line ends or without."""
    fed: list[int] = []
    kind = type(fit_vocabulary(level, [Document("a", "a b a b")]))
    module = __import__(kind.__module__, fromlist=["chunks"])
    monkeypatch.setattr(
        module,
        "chunks",
        lambda text, length: (fed.append(len(part)) or part for part in chunks(text, length)),
    )
    fit_vocabulary(level, [Document("a", ONE_LINE)])
    assert len(fed) >= 3
    assert max(fed) < 2 * base.BATCHED


@pytest.mark.parametrize("word", ["字", "ACGT"])
def test_pairs_are_learned_from_short_words(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """The time of a merge grows with the square of a word: a text that is one word is cut, and stays exact."""
    monkeypatch.setattr("carousel.data.vocabularies.bpe.LONGEST", 64)
    text = word * 5_000
    assert max(map(len, _short("a b " + text))) == 64
    vocabulary = fit_vocabulary("bpe", [Document("a", text)])
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_document_comes_in_pieces_wherever_it_lies(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text in one line is no single piece, in memory or on the disk."""
    text = ONE_LINE * 8
    assert max(map(len, Document("a", text).chunks())) < 2 * CHUNK
    assert len(list(Document("a", text).chunks())) > 1
    monkeypatch.setattr(large, "BLOCK", 1000)
    for content in (ONE_LINE[:20_000], "字" * 20_000):
        path = tmp_path / "a.txt"
        path.write_text(content)
        found = list(large.LargeDocument.open(path, "a").chunks())
        assert max(map(len, found)) <= 5000
        assert "".join(found) == content
