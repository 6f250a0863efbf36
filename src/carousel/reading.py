"""Untrusted files: how they are opened and parsed.

A file may be a pipe that never ends, may be replaced while it is read, and may hold anything. So a file is opened once,
and only regular files are read. What the parsers of JSON and YAML raise becomes a CarouselError here and nowhere else.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from carousel.errors import CarouselError, shown

MOST_TEXT = 1 << 28  # bytes of a file that is read as one text; a vocabulary of ten million words takes less
# opening a pipe does not wait for its writer
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# PyYAML builds dates, numbers and mappings with plain Python, which raises errors of its own
_NO_YAML = (
    yaml.YAMLError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Only single values may have aliases: lists of aliases of lists have billions of values in a few lines."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and not isinstance(node, yaml.ScalarNode):
            raise yaml.YAMLError("an alias must stand for a single value, not for a list or a mapping")
        return node


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[BinaryIO]:
    """A regular file, opened for reading; errors call it `what`, such as "a checkpoint".

    Raises CarouselError for a path that does not exist or cannot be read, and for a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CarouselError(f"{path} is no regular file. Give the path of {what}.")
            yield file
    except FileNotFoundError:
        raise CarouselError(f"{path} does not exist. Give the path of {what}.") from None
    except IsADirectoryError:
        raise CarouselError(f"{path} is a folder. Give the path of {what}.") from None
    except OSError as error:
        raise CarouselError(
            f"{path} could not be read: {error.strerror or error}. Give the path of {what}."
        ) from None


def read_file(path: str | Path, what: str, most: int = MOST_TEXT) -> bytes:
    """The bytes of a regular file; raises CarouselError as `opened` does, and for more than `most` bytes."""
    with opened(path, what) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise CarouselError(f"{path} must have at most {most:,} bytes to be {what}; it has more.")
    return data


def parse_json(text: str | bytes, source: str | Path) -> Any:
    """The value of a JSON text; raises CarouselError for broken or endless nesting, and for text that is not Unicode.

    >>> parse_json('{"a": 1}', "the example")
    {'a': 1}
    >>> parse_json("{", "the example")
    Traceback (most recent call last):
    carousel.errors.CarouselError: the example is no valid JSON: Expecting property name enclosed in double quotes: ...
    """
    try:
        value = json.loads(text)
        escape = b"\\ud" if isinstance(text, bytes) else "\\ud"
        if escape in text.lower():  # type: ignore[operator]
            json.dumps(
                value, ensure_ascii=False
            ).encode()  # half a surrogate pair can be neither stored nor shown
    except (ValueError, RecursionError) as error:
        raise CarouselError(
            f"{source} is no valid JSON: {first_line(error)}. It is damaged or something else. Use another copy."
        ) from None
    return value


def parse_yaml(text: bytes, source: str | Path) -> Any:
    """The plain value of a YAML text; raises CarouselError for anything else.

    >>> parse_yaml(b"a: 1", "the example")
    {'a': 1}
    """
    try:
        return yaml.load(text.decode(), _Loader)
    except _NO_YAML as error:
        raise CarouselError(f"{source} is no valid YAML: {first_line(error)}. Correct it.") from None


def check_version(version: Any, newest: int, source: str | Path) -> None:
    """Raise CarouselError unless the version of a format is a whole number from 1 to the newest one that is known."""
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= newest:
        raise CarouselError(
            f"{source} has format version {shown(version, 40)}, but this Carousel knows versions 1 to {newest}. "
            "Upgrade carousel-rnn if the file is of a newer one."
        )


def first_line(error: BaseException) -> str:
    """The message of an error in one short line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
