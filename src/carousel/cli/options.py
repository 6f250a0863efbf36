"""The options of a command, derived from the fields of its configuration, their one home."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

_SHORT = {"hidden_size": "hidden", "num_layers": "layers"}  # field -> its flag, where that is another word
_FEW = 4  # choices that fit beside an option


def with_config_options(command: Callable[..., None], *configs: type) -> Callable[..., None]:
    """Give a command `(..., **options)` one option per field of its configurations; those not given are None.

    A field that several have is described by the first, with the choices of all and the defaults of each.
    """
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    parameters = own + [_parameter(each, _choices(each)) for each in _merged(configs).values()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def flag(name: str) -> str:
    """The flag of a field: top_k is --top-k, from_ is --from, hidden_size is --hidden."""
    return "--" + _SHORT.get(name, name).strip("_").replace("_", "-")


def _is_option(each: Field[Any]) -> bool:
    """Hidden fields stay in the YAML file; a list (the paths) is an argument of the command itself."""
    return not each.metadata.get("hidden") and get_origin(each.type) is not list


def _merged(configs: tuple[type, ...]) -> dict[str, list[Field[Any]]]:
    """The fields by name: those of its own kind first, then those that a configuration has from its base."""
    found: dict[str, list[Field[Any]]] = {}
    for own in (True, False):
        for config in configs:
            for each in fields(config):
                if _is_option(each) and (each.name in config.__annotations__) is own:
                    found[each.name] = []
    for config in configs:
        for each in filter(_is_option, fields(config)):
            found[each.name].append(each)
    return found


def _choices(fields_of_a_name: list[Field[Any]]) -> tuple[str, ...]:
    listed = [choice for each in fields_of_a_name for choice in each.metadata.get("choices") or ()]
    return tuple(dict.fromkeys(listed))


def _parameter(of_a_name: list[Field[Any]], choices: tuple[str, ...]) -> inspect.Parameter:
    each = of_a_name[0]
    kind = _plain_type(each.type)
    name = flag(each.name)
    declared = f"{name}/--no-{name[2:]}" if kind is bool else name
    listed = len(choices) <= _FEW  # a long list would squeeze all help into a narrow column
    text = _sentence(of_a_name, "" if listed else f": {', '.join(choices)}")
    option = typer.Option(declared, help=text, show_default=False, show_choices=listed)
    annotation = Literal[choices] if choices else kind
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


def _sentence(of_a_name: list[Field[Any]], choices: str) -> str:
    """The field's help with its default, and that of --task where it is another one.

    The default of the parameter, None, only says that nothing was given.
    """
    text = of_a_name[0].metadata["help"]
    shown = list(dict.fromkeys(_shown(each.default) for each in of_a_name))
    defaults = [f"default {shown[0]}"] if shown[0] else []
    defaults += [f"with --task {each}" for each in shown[1:] if each]
    if defaults:
        choices += f" ({', '.join(defaults)})" if choices else f"; {', '.join(defaults)}"
    return f"{text[0].upper()}{text[1:]}{choices}."


def _shown(default: Any) -> str:
    """A default in words; "" of one that the help has to describe."""
    if default is MISSING or default is None:
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)
