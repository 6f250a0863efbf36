"""Options as fields of a dataclass, with default, help text, limits, and the checks of these.

A configuration is a frozen dataclass with fields from `option`; the command line derives its flags from these fields.
The module loads neither torch nor NumPy.
"""

import dataclasses
import difflib
import operator
import os
from collections.abc import Iterable
from dataclasses import field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from carousel.errors import CarouselError, shown

MOST = 10**9  # of any option: sizes and counts beyond it overflow what they are multiplied by
MOST_SEED = 2**64 - 1  # what torch's generators take


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    hidden: bool = False,
) -> Any:
    """A field of a configuration. `minimum` and `maximum` are allowed values, `above` and `below` are not.

    `hidden`: there is no flag. Without another limit, no number may be above `MOST`.
    """
    maximum = MOST if maximum is None and below is None else maximum
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "below": below, "choices": choices}
    return field(default=default, metadata={"help": help, "hidden": hidden, **limits})


def seed_option(default: int) -> Any:
    """The field of a seed."""
    return option(default, "seed of every random choice", minimum=0, maximum=MOST_SEED)


def check_seed(seed: Any) -> int:
    """A seed as torch takes it; raises CarouselError unless it is a whole number from 0 to 2^64 - 1.

    >>> check_seed(7)
    7
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number <= MOST_SEED:
        raise CarouselError(
            f"seed must be a whole number from 0 to {MOST_SEED} (2^64 - 1); got {shown(seed)}."
        )
    return number


def again(config: type, name: str, default: Any) -> Any:
    """An option of the base class `config` with another default."""
    (base,) = [each for each in fields(config) if each.name == name]
    return field(default=default, metadata=base.metadata)


def described(help: str) -> Any:
    """The metadata of a field that needs a `default_factory`: a list of paths."""
    return option(None, help).metadata


def settle(config: Any) -> None:
    """Convert every field of a new configuration to its type; raises CarouselError for values out of their limits."""
    for f in fields(config):
        value = _coerced(f, getattr(config, f.name))
        object.__setattr__(config, f.name, value)
        _check_limits(f, value)


def check_names(options: Iterable[Any], config: type) -> None:
    """Raise CarouselError for a name that is no field of the dataclass `config`, with the nearest field."""
    known = [f.name for f in fields(config)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name[:80], known, n=1) if isinstance(name, str) else []
            hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(known)}."
            raise CarouselError(f"there is no option {shown(name)}. {hint}")


def _kind(f: dataclasses.Field[Any]) -> tuple[type, bool]:
    """The plain type of a field, and whether it may be None."""
    kinds = [kind for kind in get_args(f.type) if kind is not type(None)]
    if get_origin(f.type) is list or not kinds:
        return (list if get_origin(f.type) is list else f.type), False  # type: ignore[return-value]
    return kinds[0], True


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list of paths",
}


def _coerced(f: dataclasses.Field[Any], value: Any) -> Any:
    """`value` in the type of the field; YAML 1.1 reads 1e-3 as text, so a text may be a number."""
    kind, optional = _kind(f)
    if value is None and optional:
        return None
    if kind is list and isinstance(value, list | tuple) and all(map(_is_text, value)):
        return [str(v) for v in value]
    if kind is str and _is_text(value):
        return str(value)
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            if kind is float:
                return float(value)
            if isinstance(value, int) or str(value).isdecimal():
                return int(value)  # not through a float, which would change a large seed
            if float(value).is_integer():
                return int(float(value))
        except (ValueError, OverflowError):
            pass
    raise CarouselError(f"{f.name} must be {_WORDS[kind]}; got {shown(value)}.")


def _is_text(value: Any) -> bool:
    """Whether this is text that can be the name of a file or of a column."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _check_limits(f: dataclasses.Field[Any], value: Any) -> None:
    limits = f.metadata
    if value is None:
        return
    came = shown(value)
    if limits["choices"] and value not in limits["choices"]:
        raise CarouselError(f"{f.name} must be one of {', '.join(limits['choices'])}; got {came}.")
    if not isinstance(value, int | float):
        return
    if value != value or abs(value) == float("inf"):
        raise CarouselError(f"{f.name} must be finite; got {came}.")
    if limits["minimum"] is not None and value < limits["minimum"]:
        raise CarouselError(f"{f.name} must be at least {limits['minimum']}; got {came}.")
    if limits["maximum"] is not None and value > limits["maximum"]:
        raise CarouselError(f"{f.name} must be at most {limits['maximum']}; got {came}.")
    if limits["above"] is not None and value <= limits["above"]:
        raise CarouselError(f"{f.name} must be above {limits['above']}; got {came}.")
    if limits["below"] is not None and value >= limits["below"]:
        raise CarouselError(f"{f.name} must be below {limits['below']}; got {came}.")
