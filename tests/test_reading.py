"""How untrusted files are opened, and what becomes of text that no parser understands."""

import os

import pytest

from carousel.errors import CarouselError
from carousel.reading import check_version, opened, parse_json, parse_yaml, read_file


def odd_files(folder):
    """Paths that are no regular file; to read one would wait, never end, or fail."""
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder / "loop")
    return {
        folder: "is a folder",
        folder / "pipe": "is no regular file",
        folder / "device": "is no regular file",
        folder / "absent": "does not exist",
        folder / "loop": "could not be read",
    }


def test_only_regular_files_are_opened(tmp_path):
    """Pipes and devices are refused at once, each with its path and what was needed."""
    for path, message in odd_files(tmp_path).items():
        with pytest.raises(CarouselError, match=rf"{path} {message}"), opened(path, "a checkpoint"):
            pass


def test_a_text_has_a_largest_size(tmp_path):
    """A file of exactly the size is read, one byte more is refused."""
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", "a text", 5) == b"12345"
    with pytest.raises(CarouselError, match="at most 4 bytes"):
        read_file(tmp_path / "a", "a text", 4)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", '{"a": 1}x', '["\\ud800"]', b"\xff\xfe\x00", "9" * 5000, ""]
)
def test_json_that_is_none(text):
    """Deep nesting, half a surrogate pair, endless numbers and foreign bytes are one error."""
    with pytest.raises(CarouselError, match="the file is no valid JSON"):
        parse_json(text, "the file")


@pytest.mark.parametrize(
    "text",
    [
        b"- " * 1_500, b"a: [1", b"\xff\xfe", b"a: !!timestamp x", b"a: 2024-99-99", b"a: !!bool x", b"a: !!int ''",
        b"? [1]\n: 2", b"a: *b", b"!!python/object:os.system {}", b"a: !!float x",
    ],
)  # fmt: skip
def test_yaml_that_is_none(text):
    """What PyYAML's constructors raise for values that are none is one error too."""
    with pytest.raises(CarouselError, match="the file is no valid YAML"):
        parse_yaml(text, "the file")


@pytest.mark.parametrize(
    "text",
    ["a: &a [x, x]\nb: [*a, *a]", "a: &a {x: 1}\nb: *a", "&a [*a]", "base: &a {x: 1}\nb: {<<: *a}"],
    ids=["list", "mapping", "itself", "merged"],
)
def test_an_alias_stands_for_a_single_value(text):
    """Lists of aliases of lists would hold billions of values, so that a message that shows one never ends."""
    assert parse_yaml(b"a: &a 0.5\nb: [*a, *a]", "the file") == {"a": 0.5, "b": [0.5, 0.5]}
    with pytest.raises(
        CarouselError, match="the file is no valid YAML: an alias must stand for a single value"
    ):
        parse_yaml(text.encode(), "the file")


@pytest.mark.parametrize("version", [0, -1, 3, 1.0, True, "2", None, [1], 10**30, [10**5000]])
def test_versions_that_are_not_known(version):
    """A version is a whole number from 1 to the newest that is known."""
    check_version(2, 2, "the file")
    with pytest.raises(CarouselError, match=r"the file has format version .* 1 to 2"):
        check_version(version, 2, "the file")
