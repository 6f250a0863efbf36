"""What is told before training starts."""

import pytest

from carousel import CarouselError
from carousel.training import LanguageConfig
from carousel.training.language import corpus

SENTENCES = "the cat sat <unk>\nthe dog sat\n" * 20


def folder(tmp_path, **parts):
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(parts.get(name, SENTENCES))
    return str(tmp_path)


def load(path, **options):
    return corpus.load(
        LanguageConfig(**{"paths": [path], "level": "token", "batch": 2, "bptt": 4, **options})
    )


def test_a_folder_of_three_parts_is_read_as_it_is(tmp_path):
    """Each part is one stream of its own; the end of a sentence is a token."""
    parts = load(folder(tmp_path))
    assert parts.train.tokens == parts.valid.tokens == 20 * 9
    assert parts.vocabulary.size == 6


@pytest.mark.parametrize("empty", ["train", "valid", "test"])
def test_an_empty_part_is_told_by_name(tmp_path, empty):
    """Not left out in silence: the folder promised three parts."""
    with pytest.raises(CarouselError, match=rf"must not be empty; .*{empty}\.txt"):
        load(folder(tmp_path, **{empty: ""}))


def test_unknown_words_need_an_unk(tmp_path):
    """A valid file with a word that train lacks is refused if train has no <unk>, unless a size makes some."""
    path = folder(tmp_path, train="the cat sat\na dog\n" * 20)
    with pytest.raises(CarouselError, match="if it has no <unk>; it lacks '<unk>'"):
        load(path)
    assert load(path, vocabulary_size=4).vocabulary.symbols[1] == "<unk>"


def test_any_text_can_be_read_by_tokens(tmp_path):
    """A book writes no <unk>: words that its train part shows once become it, and that is told."""
    book = tmp_path / "book.txt"
    book.write_text("".join(f"the cat sat on mat{k}\na dog lay on rug\n" for k in range(60)))
    told = []
    parts = corpus.load(
        LanguageConfig(paths=[str(book)], level="token", batch=2, bptt=4),
        on_progress=lambda event: told.append(str(event)),
    )
    words = ["a", "cat", "dog", "lay", "on", "rug", "sat", "the"]
    assert parts.vocabulary.symbols[:2] == ["<eos>", "<unk>"]
    assert sorted(parts.vocabulary.symbols[2:]) == words
    assert any("writes no <unk>: it stands for all but the 8 most frequent words" in each for each in told)


def test_a_context_longer_than_the_text_is_refused(tmp_path):
    """N and the number of symbols there are, both told."""
    path = folder(tmp_path)
    with pytest.raises(CarouselError, match="at most the number of symbols of the train part, 180; got 500"):
        load(path, model="tdnn", context=500)
    with pytest.raises(CarouselError, match="train part must have at least 201 symbols"):
        load(path, bptt=100)
