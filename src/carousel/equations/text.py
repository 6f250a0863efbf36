"""Equations from the text in exported graphs (`Equations.text`), which is checked as data and never run as source."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from carousel.equations import graph, language
from carousel.equations.cell import TEXT_VERSION, Cell, Equations, trace
from carousel.equations.graph import Node
from carousel.errors import CarouselError

LONGEST = 200_000  # characters; an LSTM has about 600

_NAMED: dict[str, Callable[..., Node]] = {
    "affine": language.affine,
    "scale": language.scale,
    "param": language.param,
}
_UNARY: dict[str, Callable[..., Node]] = {
    "neg": graph.negate,
    **{
        word: getattr(language, word)
        for word in ("elu", "exp", "log", "mean", "relu", "sigmoid", "sqrt", "step", "sum", "tanh")
    },
}
_BINARY: dict[str, Callable[..., Node]] = {
    "+": graph.add,
    "-": graph.subtract,
    "*": graph.multiply,
    "/": graph.divide,
    **{word: getattr(language, word) for word in ("above", "maximum", "minimum")},
}
_OPERANDS = {  # how many; of an affine, one or more
    **dict.fromkeys(("input", "state", "constant", "param"), 0),
    **dict.fromkeys(("scale", *_UNARY), 1),
    **dict.fromkeys(_BINARY, 2),
}


class ExportedCell(Cell):
    """A cell of which only the equations are known."""

    def __init__(self, states: list[str], nodes: list[Any], ends: list[int]) -> None:
        self.states = tuple(states)  # type: ignore[misc]
        self._nodes, self._ends = nodes, ends

    def step(self, x: Node, *states: Node) -> Any:
        made: list[Node] = []
        for operation, name, value, numbers in self._nodes:
            operands = [made[number] for number in numbers]
            if operation in _NAMED:
                made.append(_NAMED[operation](name, *operands))
            elif operation == "constant":
                made.append(graph.constant(value))
            elif operation == "state":
                made.append(states[self.states.index(name)])
            else:
                made.append(x if operation == "input" else (_UNARY | _BINARY)[operation](*operands))
        return tuple(made[end] for end in self._ends)


def read(text: str) -> Equations:
    """The equations with this text.

    Raises CarouselError if it is not such a text, or if a later version of Carousel wrote it.
    """
    if len(text) > LONGEST:
        raise _unreadable(f"it has {len(text)} characters, and at most {LONGEST} are read")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable("it is no JSON") from error
    if not isinstance(given, dict) or given.get("version") != TEXT_VERSION:
        raise _unreadable(f"its version is not {TEXT_VERSION}")
    states: Any
    nodes: Any
    ends: Any
    states, nodes, ends = given.get("states"), given.get("nodes"), given.get("new_states")
    fits = (
        isinstance(states, list)
        and isinstance(nodes, list)
        and all(_is_node(node, index, states) for index, node in enumerate(nodes))
        and _are_numbers(ends, len(nodes))
        and len(ends) == len(states)
    )
    if not fits:
        raise _unreadable("it does not list states, operations and new states")
    try:
        equations = trace(ExportedCell(states, nodes, ends))
    except RecursionError as error:
        raise _unreadable("its vectors are nested too deeply") from error
    if equations.text != text:
        raise _unreadable("the cell that it describes is written otherwise")
    return equations


def _is_node(node: Any, index: int, states: list[Any]) -> bool:
    """[operation, name, value, numbers of the operands, which stand before it]"""
    if not isinstance(node, list) or len(node) != 4:
        return False
    operation, name, value, operands = node
    return (
        isinstance(operation, str)
        and (operation in _OPERANDS or operation == "affine")
        and isinstance(name, str)
        and isinstance(value, float)
        and _are_numbers(operands, index)
        and _OPERANDS.get(operation, len(operands)) == len(operands)
        and (operation != "state" or name in states)
    )


def _are_numbers(given: Any, below: int) -> bool:
    return isinstance(given, list) and all(type(each) is int and 0 <= each < below for each in given)


def _unreadable(reason: str) -> CarouselError:
    return CarouselError(
        f"The first text argument of carousel's operators must be the equations of a cell, as in "
        f"`module.cell.equations.text`; {reason}. Export the graph again with this version of Carousel, or use the "
        "version that wrote it."
    )
