"""The backward pass of any step, by reverse mode on its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from carousel.equations.cell import Equations
from carousel.equations.graph import (
    Node,
    add,
    constant,
    divide,
    make,
    multiply,
    negate,
    passed,
    reduced,
    shared,
    subtract,
)

Rules: TypeAlias = Mapping[str, Callable[..., tuple[Node, ...]]]

# operation -> the gradients of its operands, from (own gradient d, own value y, operands)
SLOPES: Rules = {
    "+": lambda d, y, a, b: (d, d),
    "-": lambda d, y, a, b: (d, negate(d)),
    "*": lambda d, y, a, b: (multiply(d, b), multiply(d, a)),
    "/": lambda d, y, a, b: (divide(d, b), negate(divide(multiply(d, y), b))),
    "neg": lambda d, y, a: (negate(d),),
    "sigmoid": lambda d, y, a: (multiply(d, multiply(y, subtract(1, y))),),
    "tanh": lambda d, y, a: (multiply(d, subtract(1, multiply(y, y))),),
    "relu": lambda d, y, a: (passed(d, y),),
    "elu": lambda d, y, a: (multiply(d, add(1, make("minimum", y, constant(0)))),),
    "exp": lambda d, y, a: (multiply(d, y),),
    "log": lambda d, y, a: (divide(d, a),),
    "sqrt": lambda d, y, a: (multiply(d, divide(0.5, y)),),
    # the gradient of every unit of a is the sum or mean of the gradient of y
    "sum": lambda d, y, a: (reduced("sum", d),),
    "mean": lambda d, y, a: (reduced("mean", d),),
    "maximum": lambda d, y, a, b: (shared(d, a, b), shared(d, b, a)),
    "minimum": lambda d, y, a, b: (shared(d, b, a), shared(d, a, b)),
    "step": lambda d, y, a: (constant(0),),
    "above": lambda d, y, a, b: (constant(0), constant(0)),
}


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of a vector from one step: an elementwise part and a part through products."""

    elementwise: Node | None
    products: Node | None  # a "transposed" node

    @property
    def total(self) -> Node | None:
        parts = [part for part in (self.elementwise, self.products) if part is not None]
        return add(*parts) if len(parts) == 2 else next(iter(parts), None)


@dataclass(frozen=True, eq=False)
class Backward:
    """The backward pass of one step, given a "cotangent" (the total derivative) for each new state.

    Attributes:
        deltas: affine -> gradient of its pre-activation; with it, dW = sum_t delta x^T and db = sum_t delta.
        previous: state -> gradient of the state before the step.
        input: gradient of x, a "transposed" node, or None if the cell does not read x.
        learned: scale or param -> gradient of its learned vector in this step, to be summed over time and batch.
        gradients: forward vector -> its gradient, for every vector on which the new states depend. A number that all
            units share, such as a mean, counts as a vector here: its gradient is the sum of this vector over units.
    """

    equations: Equations
    deltas: dict[Node, Node]
    previous: dict[str, Gradient]
    input: Node | None
    learned: dict[Node, Node]
    gradients: dict[Node, Node]


@cache
def backward(equations: Equations) -> Backward:
    """The backward pass of a step."""
    return reverse_mode(equations, SLOPES)


def reverse_mode(equations: Equations, rules: Rules) -> Backward:
    """Visit the vectors of a step from last to first, and send the gradient of each to its operands by these rules."""
    elementwise: dict[Node, Node] = {}
    readers: dict[Node, list[Node]] = {}  # vector -> affines that multiply it
    gradients: dict[Node, Node] = {}
    learned: dict[Node, Node] = {}

    def send(vector: Node, gradient: Node) -> None:
        if vector.operation != "constant" and gradient is not constant(0):
            elementwise[vector] = add(elementwise[vector], gradient) if vector in elementwise else gradient

    for state, node in zip(equations.states, equations.new_states, strict=True):
        send(node, make("cotangent", name=state))
    for node in reversed(equations.nodes):
        total = Gradient(elementwise.get(node), _through_products(node, readers, gradients)).total
        if total is None:
            continue
        gradients[node] = total
        if node.operation == "affine":
            for vector in node.operands:
                readers.setdefault(vector, []).append(node)
        elif node.operation == "scale":
            learned[node] = multiply(total, node.operands[0])
            send(node.operands[0], make("scale", total, name=node.name))
        elif node.operation == "param":
            learned[node] = total
        elif node.operation in rules:
            for operand, gradient in zip(
                node.operands, rules[node.operation](total, node, *node.operands), strict=True
            ):
                send(operand, gradient)

    def gradient_of(leaf: Node) -> Gradient:
        return Gradient(elementwise.get(leaf), _through_products(leaf, readers, gradients))

    return Backward(
        equations=equations,
        deltas={node: gradients[node] for node in equations.affines if node in gradients},
        previous={state: gradient_of(make("state", name=state)) for state in equations.states},
        input=gradient_of(make("input", name="x")).products,
        learned=learned,
        gradients=gradients,
    )


def _through_products(
    vector: Node, readers: dict[Node, list[Node]], gradients: dict[Node, Node]
) -> Node | None:
    """sum over the affines that read `vector`: (their matrix for it)^T (their gradient)"""
    affines = readers.get(vector, [])[::-1]
    if not affines:
        return None
    return make("transposed", *(gradients[a] for a in affines), about=(vector, *affines))
