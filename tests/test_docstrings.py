"""The docstrings of all public names give arguments, shapes, units, errors, the source, and an example that runs."""

import ast
import dataclasses
import doctest
import functools
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOMS = ("", "nn", "losses", "diagnosis", "embeddings", "data", "models", "training", "report", "equations")
SHAPE = re.compile(r"\([A-Z0-9][\w{}+*/' ]*,[^)\n]*\)|\([A-Z0-9]\)")  # (T, B, H), (N,), (4H, I)
SOURCE = re.compile(r"\b(1[89]|20)\d\d\b|[Ss]ource:|[Ll]ecture")  # a year, or where it comes from
ARRAY = re.compile(r"Tensor|ndarray")
FROM_THE_LITERATURE = ("losses", "diagnosis")  # rooms whose functions compute what somebody defined
ALSO = ("RNN", "LSTM", "GRU", "AdaptiveSoftmax", "Ngram", "beam_search", "sample", "embed")


@functools.cache
def public() -> dict[str, Any]:
    """Every class and function in `__all__` of a public room, once, by its full name: the first room has it."""
    found: dict[int, tuple[str, Any]] = {}
    for room in ROOMS:
        package = import_module(f"carousel.{room}".rstrip("."))
        for name in package.__all__:
            value = getattr(package, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith(
                "carousel"
            ):
                found.setdefault(id(value), (f"{value.__module__}:{value.__qualname__}", value))
    return dict(found.values())


def names_in(parts: Iterator[inspect.Parameter]) -> list[str]:
    """The arguments that a caller names."""
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        part.name
        for part in parts
        if part.kind not in loose and part.name not in ("self", "cls") and part.name[0] != "_"
    ]


def arguments(value: Any) -> list[str]:
    try:
        return names_in(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return []


def mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def explained_fields(cls: type) -> set[str]:
    """The fields of a class that a comment explains, beside the field or above it, or that a help text does."""
    lines = inspect.getsource(cls).splitlines()
    node = ast.parse(textwrap.dedent("\n".join(lines))).body[0]
    assert isinstance(node, ast.ClassDef)
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    helped = (
        {field.name for field in dataclasses.fields(cls) if field.metadata}
        if dataclasses.is_dataclass(cls)
        else set()
    )
    return helped | {
        ast.unparse(item.target)
        for item in fields
        if "#" in lines[item.lineno - 1]
        or "#" in lines[(item.end_lineno or item.lineno) - 1]
        or lines[item.lineno - 2].lstrip().startswith("#")
    }


def inherited(cls: type, name: str) -> bool:
    """Whether a library's class documents a method, as torch.nn.Module does `forward`."""
    return any(name in vars(base) for base in cls.__mro__ if not base.__module__.startswith("carousel"))


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods that a class writes itself."""
    for name, value in vars(cls).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(function) and name[0] != "_" and not inherited(cls, name):
            yield name, function


def missing_in_function(name: str, value: Any) -> Iterator[str]:
    text = inspect.getdoc(value) or ""
    if ">>>" not in text:
        yield "an example"
    if not re.search(r"\b[Rr]aise", text):
        yield "its errors"
    if absent := [argument for argument in arguments(value) if not mentions(text, argument)]:
        yield "arguments " + ", ".join(absent)
    kinds = " ".join(map(str, getattr(value, "__annotations__", {}).values()))
    if ARRAY.search(kinds) and not SHAPE.search(text):
        yield "shapes"
    literature = any(value.__module__.startswith(f"carousel.{room}") for room in FROM_THE_LITERATURE)
    if (literature or name in ALSO) and not SOURCE.search(text):
        yield "its source"


def missing_in_class(name: str, cls: type) -> Iterator[str]:
    text = cls.__doc__ or ""
    inner = (cls.__init__.__doc__ or "") if "__init__" in vars(cls) else ""
    if issubclass(cls, Exception):
        return
    if not text or text.startswith(f"{cls.__name__}("):
        yield "a docstring"
    if dataclasses.is_dataclass(cls) or issubclass(cls, tuple):
        fields = list(inspect.get_annotations(cls))
        known = explained_fields(cls)
        if absent := [
            field for field in fields if field[0] != "_" and field not in known and not mentions(text, field)
        ]:
            yield "fields " + ", ".join(absent)
    else:
        if ">>>" not in text:
            yield "an example"
        whole = (
            text
            + inner
            + "".join(base.__doc__ or "" for base in cls.__mro__[1:] if "carousel" in base.__module__)
        )
        if absent := [argument for argument in arguments(cls) if not mentions(whole, argument)]:
            yield "arguments " + ", ".join(absent)
    if name in ALSO and not SOURCE.search(text):
        yield "its source"
    for method, function in methods(cls):
        words = inspect.getdoc(function) or ""
        if not words:
            yield f"a docstring of {method}"
        elif absent := [argument for argument in arguments(function) if not mentions(words + text, argument)]:
            yield f"arguments of {method}: " + ", ".join(absent)
        if arguments(function) and f"{method}(" not in words.partition(">>>")[2] + text.partition(">>>")[2]:
            yield f"an example of {method}"


def missing(name: str, value: Any) -> list[str]:
    find = missing_in_class if inspect.isclass(value) else missing_in_function
    return list(find(value.__name__, value))


@pytest.mark.parametrize("name", public())
def test_a_public_docstring_is_complete(name: str) -> None:
    """Every argument and field, shapes, errors, the source, and an example of every method that takes arguments."""
    assert missing(name, public()[name]) == []


@pytest.mark.parametrize("module", sorted({value.__module__ for value in public().values()}))
def test_the_examples_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example in a file that has a public name prints what its docstring says."""
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(
        import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert result.failed == 0
