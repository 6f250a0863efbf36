"""The initial values of a layer's parameters: those of torch.nn, or those that the cell asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from carousel.equations import Equations
from carousel.equations.graph import Node
from carousel.equations.init import Initialiser
from carousel.equations.mistakes import place
from carousel.equations.parameters import Block
from carousel.errors import CarouselError


def _identity(block: Tensor, gain: float) -> None:
    nn.init.eye_(block).mul_(gain)


def _chrono(bias: Tensor, longest: float) -> None:
    bias.uniform_(1, longest - 1).log_()


DRAW: dict[str, Callable[..., Any]] = {
    "constant": nn.init.constant_,
    "uniform": nn.init.uniform_,
    "normal": nn.init.normal_,
    "identity": _identity,
    "orthogonal": nn.init.orthogonal_,
    "glorot": nn.init.xavier_uniform_,
    "chrono": _chrono,
}


@torch.no_grad()
def draw(equations: Equations, parameters: Mapping[str, Tensor], hidden: int) -> None:
    """Initialise one layer in one direction: uniform in [-1/sqrt(H), 1/sqrt(H)], then what the equations ask for.

    parameters: by their names in the cell, in torch.nn's order, so that a seed gives both the same weights.
    """
    bound = 1 / math.sqrt(hidden)
    for parameter in parameters.values():
        nn.init.uniform_(parameter, -bound, bound)
    for node, starts in equations.starts.items():
        for role, given in starts.items():
            blocks = _blocks(equations, node, role, parameters, hidden)
            for index, block in enumerate(blocks):
                if role == "bias" and index > 0:  # the two biases add up
                    block.zero_()
                else:
                    _fill(
                        block, given, f"{equations.title}.step: {node.operation}({node.name!r}, {role}=...)"
                    )


def _fill(block: Tensor, given: Initialiser | Callable[[Tensor], Any], where: str) -> None:
    if isinstance(given, Initialiser):
        DRAW[given.name](block, *given.numbers)
        return
    what = f"{where} starts a tensor of shape {tuple(block.shape)}"
    try:
        result = given(block)
    except Exception as error:
        raise CarouselError(
            f"{what}; the function that should fill it failed with {type(error).__name__}: {error}{_line(given)}"
        ) from error
    if result is None or result is block:
        return
    if not isinstance(result, Tensor) or result.shape != block.shape:
        given_back = tuple(result.shape) if isinstance(result, Tensor) else f"a {type(result).__name__}"
        raise CarouselError(
            f"{what}; its function must fill it or return a tensor of this shape; it returned {given_back}."
            f"{_line(given)}"
        )
    block.copy_(result)


def _line(given: Callable[[Tensor], Any]) -> str:
    code = getattr(given, "__code__", None)
    return place(code, None if code is None else code.co_firstlineno)


def _blocks(
    equations: Equations, node: Node, role: str, parameters: Mapping[str, Tensor], hidden: int
) -> list[Tensor]:
    """The blocks that one initial value is for; a layer without biases has no block of a bias."""
    layout = equations.layout
    if role == "init":
        places = [layout.vectors[node]]
    elif role == "bias":
        places = [place for place in layout.biases[node] if place.parameter in parameters]
    else:
        of_input = role == "input"
        places = [b for b in layout.weights[node] if (b.parameter == "weight_ih") == of_input]
    return [_block(parameters[place.parameter], place, hidden) for place in places]


def _block(parameter: Tensor, place: Block, hidden: int) -> Tensor:
    """Row `place.row` of H rows of a matrix, of H numbers of a vector, or of diagonals."""
    width = parameter.shape[1:] if place.vector is not None else ()
    return parameter.view(-1, hidden, *width)[place.row]
