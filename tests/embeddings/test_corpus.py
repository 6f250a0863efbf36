"""Text of every kind as ids: files, folders, compressed, iterables; what a token and a sentence is."""

import bz2
import gzip
import io
import lzma
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from carousel import CarouselError, Vectors, _core
from carousel.embeddings import EmbeddingConfig, id_store
from carousel.embeddings.corpus import SENTENCE_END, load_corpus, load_more
from carousel.progress import Note

ALL = EmbeddingConfig(min_count=1)


def sentences(source, config=ALL, **options) -> list[list[str]]:
    """The corpus as lists of words again."""
    corpus = load_corpus(source, config.override(**options))
    found: list[list[str]] = [[]]
    for number in corpus.ids:
        found[-1].append(corpus.vocabulary.words[number]) if number >= 0 else found.append([])
    return [sentence for sentence in found if sentence]


def test_words_are_lowercase_without_marks():
    """The default token is a word: lowercase letters, digits and apostrophes inside."""
    text = ["Don't  STOP—the “Élan vital”, he’s 42 (naïve) rock'n'roll!", "ΑΘΗΝΑ Straße e-mail 'quoted' x_y"]
    assert sentences(text) == [
        ["don't", "stop", "the", "élan", "vital", "he's", "42", "naïve", "rock'n'roll"],
        ["αθηνα", "straße", "e", "mail", "quoted", "x_y"],
    ]


def test_spaces_cut_as_python_does():
    """tokens="spaces" is str.split(), Unicode spaces included."""
    text = "A\u00a0b\u2003C,\td\u3000e.\x1f f \u205fg"
    assert sentences([text, "x"], tokens="spaces") == [text.split(), ["x"]]


def test_identifiers_are_split_into_words():
    """Source code gives the words of its identifiers; single letters say nothing."""
    text = ["self.HTTPServer_for2(maxSize, x_list, __init__)  # can't", "getURLs = readXML2Dict"]
    assert sentences(text, tokens="identifiers") == [
        ["self", "http", "server", "for", "max", "size", "list", "init", "can"],
        ["get", "ur", "ls", "read", "xml", "dict"],
    ]


def test_counting_agrees_with_python(tmp_path):
    """Counts and order of words are those of a Counter over the same tokens."""
    text = "\n".join(path.read_text() for path in sorted(Path(id_store.__file__).parent.glob("*.py")))
    (tmp_path / "a.txt").write_text(text)
    corpus = load_corpus(tmp_path / "a.txt", ALL)
    counts = Counter(re.findall(r"\w+(?:['’]\w+)*", text.lower().replace("’", "'")))
    assert dict(zip(corpus.vocabulary.words, corpus.vocabulary.counts.tolist(), strict=True)) == counts
    assert (np.diff(corpus.vocabulary.counts) <= 0).all()
    assert corpus.tokens == counts.total() == (corpus.ids >= 0).sum()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("line", [["a", "b"], ["c"], ["d"], ["e"]]),
        ("paragraph", [["a", "b", "c"], ["d"], ["e"]]),
        ("file", [["a", "b", "c", "d"], ["e"]]),
    ],
)
def test_what_ends_a_sentence(tmp_path, kind, expected):
    """A line, an empty line, or the end of the file; a file always ends one."""
    (tmp_path / "1.txt").write_text("a b\nc\n\n \n\nd")
    (tmp_path / "2.txt").write_text("e\n")
    assert sentences(tmp_path, sentences=kind) == expected


def test_files_folders_globs_and_compressed_text(tmp_path):
    """A folder, a glob and a list of Paths stand for files; .gz, .bz2 and .xz are read through."""
    (tmp_path / "a.txt").write_text("one two\n")
    for module, suffix, text in ((gzip, "gz", "three"), (bz2, "bz2", "four"), (lzma, "xz", "five")):
        with module.open(tmp_path / f"b.txt.{suffix}", "wt") as file:
            file.write(text + " words\n")
    everything = [["one", "two"], ["four", "words"], ["three", "words"], ["five", "words"]]
    assert sentences(tmp_path) == everything
    assert sentences(str(tmp_path / "*")) == everything
    assert sentences([tmp_path / "a.txt", tmp_path / "b.txt.gz"]) == [["one", "two"], ["three", "words"]]
    assert sentences(None, paths=[str(tmp_path / "b.txt.xz")]) == [["five", "words"]]


def test_what_is_no_text_is_left_out_of_a_folder(tmp_path):
    """A picture among texts is told and left out; named itself it is an error."""
    (tmp_path / "a.txt").write_text("one two\n")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\0\0 words that are none\n")
    events = []
    assert load_corpus(tmp_path, ALL, events.append).vocabulary.words == ["one", "two"]
    notes = [event.message for event in events if isinstance(event, Note)]
    assert notes == [f"left out 1 of 2 files that are not text in UTF-8, such as {tmp_path / 'b.png'}"]
    with pytest.raises(CarouselError, match="is binary"):
        load_corpus(tmp_path / "b.png", ALL)


def test_a_file_of_a_folder_is_taken_whole_or_left_out_whole(tmp_path, monkeypatch):
    """A byte that is not UTF-8, however late, leaves the file out, which is told; a named file raises."""
    monkeypatch.setattr("carousel.embeddings.corpus._CHUNK", 64)
    (tmp_path / "a.txt").write_text("one two\n" * 50)
    (tmp_path / "latin.txt").write_bytes(b"early words " * 50 + "größer\n".encode("latin-1"))
    events = []
    corpus = load_corpus(tmp_path, ALL, events.append)
    assert corpus.vocabulary.words == ["one", "two"]
    assert corpus.tokens == 100
    notes = [event.message for event in events if isinstance(event, Note)]
    assert notes == [f"left out 1 of 2 files that are not text in UTF-8, such as {tmp_path / 'latin.txt'}"]
    with pytest.raises(CarouselError, match="0xf6 at byte offset 602"):
        load_corpus(tmp_path / "latin.txt", ALL)


UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u2060\u00a0\ufeff\ufe0f\u034f\u061c\u180e\u3164\x07\x1b\x7f\x85"


@pytest.mark.parametrize("tokens", ["words", "spaces", "identifiers"])
def test_what_nobody_sees_is_no_word(tmp_path, tokens):
    """Invisible characters make no words, alone or in a row, in files, strings and lists of tokens."""
    (tmp_path / "a.txt").write_text(
        "one " + " ".join(UNSEEN) + f" two {UNSEEN}\n{UNSEEN}\n", encoding="utf-8"
    )
    text = (tmp_path / "a.txt").read_text(encoding="utf-8")
    tokens_of_text = ["one", *UNSEEN, " ", "", "two", UNSEEN]
    for source in (tmp_path / "a.txt", [text], [tokens_of_text]):
        assert sentences(source, tokens=tokens) == [["one", "two"]]


@pytest.mark.parametrize("tokens", ["words", "spaces"])
def test_what_nobody_sees_is_no_part_of_a_word(tokens):
    """Soft hyphens, marks and joiners that join nothing are left out of a word; a space of no width ends it."""
    text = [
        "co\u00adoperate \ufeffcooperate co\u2060operate\u200bcoop\u200derate",
        "\u2764\ufe0f love \u2764",
    ]
    found = sentences(text, tokens=tokens)
    assert found[0] == ["cooperate"] * 4
    assert found[1] == (["love"] if tokens == "words" else ["\u2764", "love", "\u2764"])


# I want, books, the plural of a word in Latin letters, five-fold; ksha with a half letter; letters of Malayalam
JOINED = [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
    "pdf\u200c\u0647\u0627",
    "\u06f5\u200c\u062a\u0627",
    "\u0915\u094d\u200d\u0937",
    "\u0d28\u0d4d\u200d\u0d31\u0d46",
]


@pytest.mark.parametrize("tokens", ["words", "spaces"])
def test_joiners_stay_where_they_mean_something(tmp_path, tokens):
    """Between letters or marks of scripts that join, from any source and in questions; not where a word ends."""
    text = " ".join(JOINED)
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    for source in (tmp_path / "a.txt", [text], [JOINED]):
        assert sentences(source, tokens=tokens) == [JOINED]
    without = [word.replace("\u200c", "").replace("\u200d", "") for word in JOINED[:2]]
    ends = [f"\u200d{without[0]}\u200c", f"{without[1]}\u200c\u200c", f"(\u200d{without[0]}\u200c)"]
    found = sentences([" ".join(ends)], tokens=tokens)[0]
    assert [word.strip("()") for word in found] == [*without, without[0]]
    doubled = [JOINED[0].replace("\u200c", "\u200c\u200c"), "one"]
    assert sentences([doubled], tokens=tokens) == [[JOINED[0], "one"]]
    assert Vectors(JOINED[:1], np.ones((1, 2))).index(JOINED[0] + "\u200c") == 0


def test_pictures_stay_joined():
    """An emoji of several pictures is one token between blanks, and none among words."""
    family = "\U0001f469\U0001f3fd\u200d\U0001f680"
    text = [f"{family} \u2764\ufe0f\u200d\U0001f525\u200d one two"]
    assert sentences(text, tokens="spaces") == [[family, "\u2764\u200d\U0001f525", "one", "two"]]
    assert sentences(text, tokens="words") == [["one", "two"]]


@pytest.mark.parametrize("tokens", ["words", "spaces"])
def test_accents_are_composed(tmp_path, tokens):
    """NFD and NFC of a word are one word, in files, strings and lists of tokens."""
    words = ["cafe\u0301", "noir", "caf\u00e9", "noir"]
    (tmp_path / "a.txt").write_text(" ".join(words), encoding="utf-8")
    for source in (tmp_path / "a.txt", [" ".join(words)], [words]):
        assert sentences(source, tokens=tokens) == [["caf\u00e9", "noir"] * 2]


def test_standard_input(monkeypatch):
    """The path - is standard input; with other paths it is refused."""
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO("one two\nthr\u00e9e\n".encode()), encoding="ascii")
    )
    assert sentences("-") == [["one", "two"], ["thr\u00e9e"]]
    with pytest.raises(CarouselError, match="must be the only path"):
        load_corpus(None, ALL.override(paths=["-", "a.txt"]))


def test_what_is_no_regular_file_is_refused(tmp_path):
    """Pipes and devices are refused at once; in a folder they are passed over."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.txt").write_text("one two\n")
    for source in (tmp_path / "pipe", "/dev/zero", str(tmp_path / "pip*")):
        with pytest.raises(CarouselError):
            load_corpus(source, ALL)
    assert sentences(tmp_path) == [["one", "two"]]


def test_a_text_in_place_of_a_path_is_told_in_short():
    """A string that no file can be named by is told as what it is, and not printed whole."""
    for text in ("a line\n" * 100_000, "word " * 200_000, "x" * 300):
        for options in ({"source": text}, {"source": None, "config": ALL.override(paths=[text])}):
            with pytest.raises(CarouselError, match="a string must be a path") as caught:
                load_corpus(**{"config": ALL, **options})
            assert len(str(caught.value)) < 400


def test_phrases_end_where_nothing_joins(monkeypatch):
    """A pass that joins nothing is the last one."""
    stages = []
    text = ["a b c", "c b a"] * 5
    load_corpus(text, ALL.override(phrases=100, phrase_threshold=1e9), stages.append)
    assert sum("joining phrases" in getattr(each, "message", "") for each in stages) == 1


def test_a_text_is_cut_into_sentences():
    """Long sentences end after so many words; short ones stay."""
    corpus = load_corpus(["a b c d e f g", "a b c"], ALL)
    ids = corpus.cut(3).ids
    words = ["|" if number < 0 else corpus.vocabulary.words[number] for number in ids]
    assert "".join(words) == "abc|def|g|abc|"
    assert ids.dtype == np.int32
    assert corpus.cut(7) is corpus


def test_a_mark_of_byte_order_is_no_part_of_a_word(tmp_path):
    """Editors of Windows write one at the beginning of a file."""
    (tmp_path / "a.txt").write_text("one two\n", encoding="utf-8-sig")
    assert sentences(tmp_path / "a.txt", tokens="spaces") == [["one", "two"]]


def test_iterables_of_sentences():
    """Lists of tokens are taken as they are, strings are cut; a generator is read once."""
    assert sentences([["New York", "Ab"], ["Ab", "c"]]) == [["New York", "Ab"], ["Ab", "c"]]
    assert sentences(f"line {k}" for k in range(3)) == [["line", "0"], ["line", "1"], ["line", "2"]]


def test_without_a_source_the_standard_library_is_read(monkeypatch, tmp_path):
    """No source and no paths: the words of the identifiers in Python's own library."""
    (tmp_path / "m.py").write_text("def appendLeft(item_list):\n")
    monkeypatch.setattr("carousel.embeddings.corpus.standard_library", lambda: [tmp_path / "m.py"])
    assert sentences(None) == [["def", "append", "left", "item", "list"]]


def test_pieces_do_not_cut_words(tmp_path, monkeypatch):
    """A file read in pieces of a few bytes gives the same words, multi-byte letters and long lines included."""
    text = "größer naïve\nüber " * 40 + "ende"
    (tmp_path / "a.txt").write_text(text)
    whole = sentences(tmp_path / "a.txt")
    monkeypatch.setattr("carousel.embeddings.corpus._CHUNK", 7)
    assert sentences(tmp_path / "a.txt") == whole
    assert whole[0] == ["größer", "naïve"]


def test_text_larger_than_memory_goes_through_a_file(tmp_path, monkeypatch):
    """Beyond the limit ids lie in a mapped file; the corpus is the same, and can be trained on."""
    text = [f"w{k % 7} w{k % 11} w{k % 5} rare{k}" for k in range(3_000)]
    config = EmbeddingConfig(min_count=3, phrases=1)
    plain = load_corpus(text, config)
    monkeypatch.setattr(id_store.IdStore.__init__, "__defaults__", (1_000,))
    monkeypatch.setattr("carousel.embeddings.corpus._SENTENCES", 100)
    mapped = load_corpus(text, config)
    assert isinstance(mapped.ids, np.memmap)
    assert not isinstance(plain.ids, np.memmap)
    np.testing.assert_array_equal(plain.ids, mapped.ids)
    assert plain.vocabulary.words == mapped.vocabulary.words
    assert len(_core.embedding.cut_blocks(mapped.ids, 4096)) == 4


def test_rare_words_are_dropped_and_their_neighbours_meet():
    """What is left of a sentence closes up; a sentence of rare words alone leaves nothing."""
    text = ["a x b", "y", "a b z", "a b"]
    corpus = load_corpus(text, EmbeddingConfig(min_count=2))
    a, b = (corpus.vocabulary.words.index(word) for word in "ab")
    assert corpus.ids.tolist() == [a, b, SENTENCE_END] * 3
    assert corpus.tokens == 9


def test_frequent_pairs_become_phrases():
    """Pairs far more frequent than chance join, in two passes up to four words; the score is word2phrase's."""
    noise = [f"a{k % 30} b{k % 29} c{k % 31}" for k in range(900)]
    text = ["in new york city hall", "in old york", "in the new"] * 20 + ["in the", "the in"] * 200 + noise
    config = EmbeddingConfig(min_count=1, phrases=1, phrase_threshold=40)
    once = load_corpus(text, config).vocabulary
    assert "new_york" in once.words
    counts = Counter(word for line in text for word in line.split())
    pairs = Counter(pair for line in text for pair in zip(line.split(), line.split()[1:], strict=False))
    total = counts.total()

    def score(a: str, b: str) -> float:
        return (pairs[a, b] - 1) / (counts[a] * counts[b]) * total

    joined = [tuple(word.split("_")) for word in once.words if "_" in word]
    assert all(score(*pair) > 40 for pair in joined)
    assert score("new", "york") > 40
    twice = load_corpus(text, config.override(phrases=2)).vocabulary
    assert any(word.count("_") >= 2 for word in twice.words)
    new = dict(zip(once.words, once.counts.tolist(), strict=True))
    assert new["new_york"] == pairs["new", "york"]
    assert sum(count for word, count in new.items() if "york" in word.split("_")) == counts["york"]


def test_a_phrase_that_stands_in_the_text_is_one_word():
    """Where the text writes new_york itself, the phrase is the same word."""
    text = ["in new york", "in new_york too", "a b c d"] * 30
    vocabulary = load_corpus(text, EmbeddingConfig(min_count=1, phrases=1, phrase_threshold=2)).vocabulary
    assert len(set(vocabulary.words)) == len(vocabulary.words)
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    assert any(word.endswith("new_york") for word in counts)


def test_more_text_merges_counts_and_adds_words():
    """Old words keep their place of origin and add up; new ones join if frequent in the new text."""
    old = load_corpus(["a b c"] * 3 + ["a"], ALL).vocabulary
    corpus, origin = load_more(["b d d e"] * 2, EmbeddingConfig(min_count=2), old)
    counts = dict(zip(corpus.vocabulary.words, corpus.vocabulary.counts.tolist(), strict=True))
    assert counts == {"a": 4, "b": 5, "c": 3, "d": 4, "e": 2}
    assert corpus.vocabulary.words[0] == "b"
    for word, place in zip(corpus.vocabulary.words, origin, strict=True):
        assert (old.words[place] == word) if place >= 0 else word in "de"
    assert corpus.ids[:4].tolist() == [corpus.vocabulary.words.index(word) for word in "bdde"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "text must have words; none were found"),
        (["?!", ""], "text must have words; none were found"),
        (7, "a source must be a path.*; got int"),
        (b"bytes", "a source must be a path.*; got bytes"),
        ([["a"], 7], "a sentence must be a string or a list of strings; sentence 1 is 7"),
        ([["a", 7]], "sentence 0 is"),
        ("no/such/file.txt", "there is no file or folder no/such/file.txt"),
        (["only once"], "at least two words must occur"),
        (
            ["a", "flat", "list", "of"] * 5,
            "two frequent words or more.*20 sentences has one.*in a list: .words.",
        ),
        ([["a"], ["b"]] * 5, "two frequent words or more"),
        ([f"a {k}" for k in range(9)] + ["b"] * 9, "two frequent words or more"),
    ],
)
def test_mistakes_are_told(source, message):
    """Bad sources name the rule and what came."""
    with pytest.raises(CarouselError, match=message):
        load_corpus(source, EmbeddingConfig())


def test_broken_files_are_told(tmp_path):
    """A truncated archive, a file that is none, and text that is not UTF-8."""
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"words and words " * 1000)[:-20])
    (tmp_path / "wrong.gz").write_bytes(gzip.compress(b"")[:10] + b"\x07" * 20)  # a block of no known type
    (tmp_path / "no.xz").write_bytes(b"this is no archive")
    (tmp_path / "latin.txt").write_bytes("größer".encode("latin-1"))
    for name, message in (
        ("cut.gz", "cannot read"),
        ("wrong.gz", "cannot read"),
        ("no.xz", "cannot read"),
        ("latin.txt", "must be UTF-8.*0xf6"),
    ):
        with pytest.raises(CarouselError, match=message):
            load_corpus(tmp_path / name, ALL)
