"""Reading a corpus, and its split into train, valid and test."""

import random
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import Document, Split, load_corpus, read, split
from carousel.data.corpora import describe_skipped


def size(documents: list[Document]) -> int:
    return sum(len(document.text) for document in documents)


def shares(parts: Split) -> list[float]:
    sizes = [size(part) for part in (parts.train, parts.valid, parts.test)]
    return [one / sum(sizes) for one in sizes]


@pytest.fixture
def many() -> list[Document]:
    """200 documents of very different lengths."""
    lengths = random.Random(0)
    return [Document(f"folder/{k}.txt", "x" * int(lengths.lognormvariate(6, 1) + 1)) for k in range(200)]


def test_a_search_skips_and_counts_what_is_no_text(tmp_path: Path) -> None:
    """Pictures and empty files in a folder are passed to on_skip; the text beside them is read."""
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "c.txt").write_text("")
    skipped: list[Path] = []
    assert read(tmp_path, skipped.append) == [Document("a.txt", "text")]
    assert [path.name for path in skipped] == ["b.png", "c.txt"]


def test_a_file_named_itself_must_be_text(tmp_path: Path) -> None:
    """Naming a file beside its folder makes its fault an error."""
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\0")
    for paths in ([tmp_path, tmp_path / "b.png"], [tmp_path / "b.png", tmp_path]):
        with pytest.raises(CarouselError, match=r"b\.png"):
            read(paths)


def test_a_folder_without_any_text_is_refused(tmp_path: Path) -> None:
    """Skipping everything is not success."""
    (tmp_path / "b.png").write_bytes(b"\x89PNG\0")
    with pytest.raises(CarouselError, match="all 1 files"):
        read(tmp_path)


def test_whole_documents_go_to_one_part_near_the_shares(many: list[Document]) -> None:
    """Nothing is lost, nothing is in two parts, and the characters are shared out as asked."""
    parts = split(many, valid=0.1, test=0.05)
    together = parts.train + parts.valid + parts.test
    assert sorted(together, key=lambda one: one.name) == sorted(many, key=lambda one: one.name)
    assert shares(parts) == pytest.approx([0.85, 0.1, 0.05], abs=0.005)


def test_the_split_depends_on_names_alone(many: list[Document]) -> None:
    """Another order of the same documents gives the same split; another name moves a document."""
    shuffled = random.Random(1).sample(many, len(many))
    assert split(shuffled) == split(many)
    renamed = [Document("other/" + document.name, document.text) for document in many]
    assert {one.text for one in split(renamed).test} != {one.text for one in split(many).test}


def test_the_split_is_the_same_on_every_machine() -> None:
    """Pinned: a change of hash or rule would silently move test files into train."""
    parts = split([Document(f"{k}.txt", "x" * 100) for k in range(40)])
    assert [one.name for one in parts.test] == ["13.txt", "14.txt"]
    assert [one.name for one in parts.valid] == ["1.txt", "26.txt"]


def test_train_valid_and_test_files_are_the_split_themselves(tmp_path: Path) -> None:
    """A folder's own split is used whatever the sizes of its parts."""
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(name * 3)
    (tmp_path / "README").write_text("not for training")
    assert load_corpus(tmp_path) == Split(
        [Document("train.txt", "traintraintrain")],
        [Document("valid.txt", "validvalidvalid")],
        [Document("test.txt", "testtesttest")],
    )


def test_a_single_book_is_cut_at_line_ends() -> None:
    """The parts, joined, are the book; each ends where a line ends."""
    lines = random.Random(0)
    book = "".join("word " * lines.randint(1, 9) + "\n" for _ in range(2000))
    parts = split([Document("book.txt", book)])
    texts = [part[0].text for part in (parts.train, parts.valid, parts.test)]
    assert "".join(texts) == book
    assert all(text.endswith("\n") for text in texts)
    assert shares(parts) == pytest.approx([0.9, 0.05, 0.05], abs=0.005)


def test_a_book_in_one_line_is_cut_between_characters() -> None:
    """Text without line ends near the cut still gets three parts of the right size."""
    assert shares(split([Document("text8", "ab" * 5000)])) == pytest.approx([0.9, 0.05, 0.05])


def test_one_huge_document_among_small_ones_does_not_starve_a_part() -> None:
    """Where whole documents cannot come near the shares, all of them are cut."""
    parts = split([Document("small", "a\n" * 10), Document("huge", "b\n" * 100_000)])
    assert shares(parts) == pytest.approx([0.9, 0.05, 0.05], abs=0.001)
    assert [one.name for one in parts.train] == ["small", "huge"]


def test_train_is_never_left_empty() -> None:
    """Large shares may not swallow every document."""
    parts = split([Document("a", "a\n" * 500), Document("b", "b\n" * 500)], valid=0.5, test=0.45)
    assert shares(parts) == pytest.approx([0.05, 0.5, 0.45], abs=0.01)


@pytest.mark.parametrize(
    ("valid", "test"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.1), (float("nan"), 0.1)]
)
def test_shares_that_leave_a_part_nothing_are_refused(valid: float, test: float) -> None:
    """The message holds both shares."""
    with pytest.raises(CarouselError, match="shares above 0"):
        split([Document("a", "text " * 100)], valid, test)


def test_too_little_text_for_three_parts_is_refused() -> None:
    """Nothing, or three letters, cannot be split."""
    with pytest.raises(CarouselError, match="3 characters"):
        split([Document("a", "abc")])
    with pytest.raises(CarouselError, match="at least one document"):
        split([])


def test_without_paths_the_corpus_is_the_standard_library() -> None:
    """The default corpus is split by whole files into usable parts."""
    parts = load_corpus()
    assert shares(parts) == pytest.approx([0.9, 0.05, 0.05], abs=0.002)
    names = [document.name for part in (parts.train, parts.valid, parts.test) for document in part]
    assert len(set(names)) == len(names) > 200
    assert "argparse.py" in names
    assert "json/decoder.py" in names


def test_what_is_left_out_is_told(tmp_path):
    """Counted, named up to a few, and the empty ones said to be so."""
    (tmp_path / "e.py").touch()
    assert describe_skipped([tmp_path / "e.py"]) == "left out 1 file that is not text: e.py (empty)"
    many = describe_skipped([tmp_path / f"{k}.jpg" for k in range(10)])
    assert many.startswith("left out 10 files that are not text: 0.jpg, 1.jpg, ")
    assert many.endswith("7.jpg, and 2 more")
