"""The options of a command, derived from the fields of its configuration, their one home."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

_FEW = 4  # choices that fit beside an option


def with_config_options(command: Callable[..., None], config: type) -> Callable[..., None]:
    """Give a command `(..., **options)` one option per field of a configuration; those not given are None."""
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    parameters = own + [_parameter(each) for each in fields(config) if _is_option(each)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def flag(name: str) -> str:
    """The flag of a field: top_k is --top-k."""
    return "--" + name.replace("_", "-")


def _is_option(each: Field[Any]) -> bool:
    """Hidden fields stay in the YAML file; a list (the paths) is an argument of the command itself."""
    return not each.metadata.get("hidden") and get_origin(each.type) is not list


def _parameter(each: Field[Any]) -> inspect.Parameter:
    kind = _plain_type(each.type)
    name = flag(each.name)
    declared = f"{name}/--no-{name[2:]}" if kind is bool else name
    choices = each.metadata.get("choices") or ()
    listed = len(choices) <= _FEW  # a long list would squeeze all help into a narrow column
    text = _sentence(each, "" if listed else f": {', '.join(choices)}")
    option = typer.Option(declared, help=text, show_default=False, show_choices=listed)
    annotation = Literal[tuple(choices)] if choices else kind
    return inspect.Parameter(
        each.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Union[annotation, None], option],  # noqa: UP007 - the type is known at run time only
    )


def _plain_type(declared: Any) -> Any:
    """int for `int | None`, and so on."""
    if get_origin(declared) in (types.UnionType, Union):
        return next(each for each in get_args(declared) if each is not type(None))
    return declared


def _sentence(each: Field[Any], choices: str) -> str:
    """The field's help with its default: that of the parameter, None, only says that nothing was given."""
    text, default = each.metadata["help"], each.default
    if default is not MISSING and default is not None:
        plain = ("yes" if default else "no") if isinstance(default, bool) else default
        shown = f"{plain:g}" if isinstance(plain, float) else str(plain)
        choices += f"; default {shown}" if not choices else f" (default {shown})"
    return f"{text[0].upper()}{text[1:]}{choices}."
