"""Graph -> torch: the truth in tests, and what runs wherever the kernels do not (other devices, dtypes, vmap)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.equations import Equations
from carousel.equations.graph import REDUCTIONS, Node

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": F.elu,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "maximum": lambda a, b: torch.maximum(*_same_shape(a, b)),
    "minimum": lambda a, b: torch.minimum(*_same_shape(a, b)),
    "step": lambda a: (a > 0).to(a.dtype),
    "above": lambda a, b: ((a > b) + 0.5 * (a == b)).to(a.dtype),
}


def _same_shape(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = torch.broadcast_tensors(a, b)
    return a, b


def evaluate(
    nodes: Iterable[Node], values: dict[Node, Tensor], learned: Callable[[Node], Tensor], like: Tensor
) -> None:
    """Fill `values` with what each node computes; `learned(node)` computes products and diagonals.

    `like` is a vector of the step, (..., H), for the dtype, the device and the number of units.
    """
    for node in nodes:
        if node in values:
            continue
        if node.operation == "constant":
            values[node] = like.new_tensor(node.value)
        elif node.operation in ("affine", "scale", "param", "transposed"):
            values[node] = learned(node)
        elif node.operation in REDUCTIONS:
            whole = values[node.operands[0]].expand_as(like)
            total = whole.sum(-1, keepdim=True) if node.operation == "sum" else whole.mean(-1, keepdim=True)
            values[node] = total.expand_as(like)
        else:
            values[node] = OPERATIONS[node.operation](*(values[operand] for operand in node.operands))


def step_vectors(
    equations: Equations, x: Tensor, states: list[Tensor], parameters: Mapping[str, Tensor]
) -> dict[Node, Tensor]:
    """Every vector of one step: node -> (..., H).

    x: (..., I); states: one (..., H) per state; parameters: packed, by the names of `equations.layout`.
    """
    hidden = states[0].shape[-1]
    layout = equations.layout
    values = {node: x for node in equations.nodes if node.operation == "input"}
    values |= {
        node: states[equations.states.index(node.name)]
        for node in equations.nodes
        if node.operation == "state"
    }

    def block(parameter: str, row: int) -> Tensor:
        return parameters[parameter][row * hidden : (row + 1) * hidden]

    def learned(node: Node) -> Tensor:
        if node.operation == "param":
            return parameters[node.name]
        if node.operation == "scale":
            return parameters["weight_peephole"][layout.vectors[node].row] * values[node.operands[0]]
        terms = [
            F.linear(values[vector], block(place.parameter, place.row))
            for vector, place in zip(node.operands, layout.weights[node], strict=True)
        ]
        terms += [block(b.parameter, b.row) for b in layout.biases[node] if b.parameter in parameters]
        return functools.reduce(torch.add, terms)

    evaluate(equations.nodes, values, learned, like=states[0])
    return values


def run(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: list[int] | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """The whole sequence, one step after another, differentiable by autograd to any order.

    x: (T, B, I), or packed (N, I) with the number of rows of each step in `batch_sizes`; initial: one (B, H) per
    state; resets: bool (T, B) or (N,), true at the steps before which the state becomes zero. Returns the output in
    the form of x, and the final states.
    """
    outputs, final = [], initial
    for _, values, states in _steps(equations, x, initial, parameters, reverse, batch_sizes, resets):
        outputs.append(values[equations.new_states[0]])
        final = states
    if reverse:
        outputs.reverse()
    return (torch.stack(outputs) if batch_sizes is None else torch.cat(outputs)), final


def trace(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
) -> dict[str, Tensor]:
    """Every named vector of every step, (T, B, H) each, in the order of the equations. x: (T, B, I)."""
    steps = [
        {name: values[node] for node, name in equations.names.items()}
        for _, values, _ in _steps(equations, x, initial, parameters, reverse, None)
    ]
    if reverse:
        steps.reverse()
    return {name: torch.stack([step[name] for step in steps]) for name in equations.names.values()}


def _by_step(rows: Tensor, batch_sizes: list[int] | None) -> tuple[Tensor, ...]:
    return rows.unbind(0) if batch_sizes is None else rows.split(batch_sizes)


def _steps(
    equations: Equations,
    x: Tensor,
    states: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool,
    batch_sizes: list[int] | None,
    resets: Tensor | None = None,
) -> Iterator[tuple[int, dict[Node, Tensor], list[Tensor]]]:
    """Walk the sequence: (t, every vector of the step, states after it). A row not in step t keeps its state."""
    inputs = _by_step(x, batch_sizes)
    begins = None if resets is None else _by_step(resets, batch_sizes)
    for t in reversed(range(len(inputs))) if reverse else range(len(inputs)):
        rows = len(inputs[t])
        before = [state[:rows] for state in states]
        if begins is not None:
            before = [state.masked_fill(begins[t].unsqueeze(-1), 0) for state in before]
        values = step_vectors(equations, inputs[t], before, parameters)
        for node in (*equations.names, *equations.new_states):  # a constant spans the whole row
            values[node] = values[node].expand_as(before[0])
        after = [values[node] for node in equations.new_states]
        states = [
            torch.cat([new, old[rows:]]) if rows < len(old) else new
            for new, old in zip(after, states, strict=True)
        ]
        yield t, values, states
