"""Dataclasses from plain values, as JSON and YAML hold them, with each value checked against the type of its field.

The module loads neither torch nor NumPy.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from carousel.errors import CarouselError, shown

T = TypeVar("T")
_WORDS = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "names with values",
}
_MOST = 2**63  # the limit of a tensor's size and of counters in other programs


def typed(kind: type[T], value: Any, name: str) -> T:
    """`value` as a `kind`: a dataclass, a plain type, or a tuple, list or dict of these; errors contain `name`.

    Raises CarouselError for a value of another type, a number that is not finite, and fields that are missing or
    unknown.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point:
    ...     x: float
    ...     names: tuple[str, ...] = ()
    >>> typed(Point, {"x": 1, "names": ["a"]}, "point")
    Point(x=1.0, names=('a',))
    >>> typed(Point, {"x": "1"}, "point")
    Traceback (most recent call last):
    carousel.errors.CarouselError: point: x must be a finite number; got '1'.
    """
    found: T = _dataclass(kind, value, name) if is_dataclass(kind) else _plain(kind, value, name)
    return found


def described(kind: type[T], about: dict[str, Any], name: str) -> T:
    """`typed` for a description that may have more keys than the dataclass `kind` has fields."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return typed(kind, {key: value for key, value in about.items() if key in known}, name)


def arguments_in(method: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a method by name, from its `locals()` at its first statement.

    Raises CarouselError for an argument that is not of the type that the signature gives it.
    """
    hints = get_type_hints(method)
    arguments = {name: value for name, value in given.items() if name not in ("self", "__class__")}
    for name, value in arguments.items():
        typed(hints.get(name, Any), value, name)
    return arguments


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(name, "names with values", value)
    hints = get_type_hints(kind)
    known = {each.name: each for each in fields(kind) if each.init}
    for unknown in value.keys() - known.keys():
        raise CarouselError(f"{name}: there is no {shown(unknown)}. Known are: {', '.join(known)}.")
    missing = [
        key
        for key, each in known.items()
        if key not in value and each.default is MISSING and each.default_factory is MISSING
    ]
    if missing:
        raise CarouselError(f"{name}: {missing[0]} is missing.")
    return kind(**{key: typed(hints[key], inner, _inside(name, key)) for key, inner in value.items()})


def _plain(kind: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, Union):
        if value is None and type(None) in inner:
            return None
        return typed(next(each for each in inner if each is not type(None)), value, name)
    if origin in (list, tuple):
        return _listed(origin, inner, value, name)
    if origin is dict and isinstance(value, dict):
        return {
            typed(inner[0], key, name): typed(inner[1], each, _inside(name, key))
            for key, each in value.items()
        }
    accepted: Any = (int, float) if origin is float else origin
    if isinstance(value, bool) is not (origin is bool) or not isinstance(value, accepted):
        raise _wrong(name, _WORDS[origin], value)
    if isinstance(value, int) and not -_MOST <= value < _MOST:
        raise _wrong(name, "a number of 64 bits", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(name, _WORDS[origin], value)
    return float(value) if origin is float else value


def _listed(origin: Any, inner: tuple[Any, ...], value: Any, name: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(name, "a list", value)
    fixed = origin is tuple and inner[-1] is not Ellipsis
    if fixed and len(value) != len(inner):
        raise _wrong(name, f"a list of {len(inner)}", value)
    if not fixed and inner[0] is str and all(isinstance(each, str) for each in value):
        return origin(value)  # as below, for the words of a large vocabulary in a moment
    kinds = inner if fixed else inner[:1] * len(value)
    return origin(
        typed(each, entry, f"{name}[{k}]") for k, (each, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _inside(name: str, key: Any) -> str:
    """The name of a part: "position: step", and further inside "encoding: numbers[0].mean"."""
    return f"{name}{'.' if ': ' in name else ': '}{key!s:.60}"


def _wrong(name: str, rule: str, value: Any) -> CarouselError:
    return CarouselError(f"{name} must be {rule}; got {shown(value)}.")
