"""The floating-point operations of the operators, for torch.utils.flop_counter, which counts products alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from carousel.ops import cross_entropy, operators  # noqa: F401  # they define the operators
from carousel.ops.checked_arrays import parameter_names
from carousel.ops.kernels import equations_of

Shape = Sequence[int]


def _matrices(cell: str, shapes: Sequence[Shape]) -> dict[str, int]:
    """Name -> the size of each matrix that multiplies a vector at each step."""
    names = parameter_names(equations_of(cell), len(shapes))
    return {
        name: math.prod(shape)
        for name, shape in zip(names, shapes, strict=True)
        if name.startswith("weight_") and name != "weight_peephole"
    }


@register_flop_formula(torch.ops.carousel.recurrence)
def _(*arguments: Any, **_: Any) -> int:
    x, parameters, cell = arguments[0], arguments[2], arguments[4]
    return 2 * math.prod(x[:-1]) * sum(_matrices(cell, parameters).values())


@register_flop_formula(torch.ops.carousel.recurrence_backward)
def _(*arguments: Any, **_: Any) -> int:
    x, parameters, cell, wants_input = arguments[0], arguments[2], arguments[7], arguments[11]
    matrices = _matrices(cell, parameters)
    of_weights = of_vectors = sum(matrices.values())
    if not wants_input:
        of_vectors -= matrices.get("weight_ih", 0)
    return 2 * math.prod(x[:-1]) * (of_weights + of_vectors)


@register_flop_formula(torch.ops.carousel.linear_cross_entropy)
def _(x: Shape, weight: Shape, bias: Any, targets: Any, scale: Any, keep: bool, *rest: Any, **_: Any) -> int:
    return _product(x, weight) * (3 if keep else 1)  # with the gradients of both factors


@register_flop_formula(torch.ops.carousel.linear_cross_entropy_backward)
def _(x: Shape, weight: Shape, *rest: Any, **_: Any) -> int:
    return _product(x, weight) * 3  # the logits again, and the gradients of both factors


def _product(x: Shape, weight: Shape) -> int:
    return 2 * x[0] * math.prod(weight)
