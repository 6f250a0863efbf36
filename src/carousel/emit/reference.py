"""Graph -> torch: the reference in tests, and the path for whatever the kernels cannot run (devices, dtypes, vmap)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.equations.graph import REDUCTIONS, Node
from carousel.equations.parameters import Block

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
    "passed": lambda d, y: torch.where(y <= 0, 0, d),
    "shared": lambda d, a, b: torch.where(a < b, 0, torch.where(a == b, d / 2, d)),
}


def _same_shape(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = torch.broadcast_tensors(a, b)
    return a, b


def evaluate(
    nodes: Iterable[Node], values: dict[Node, Tensor], learned: Callable[[Node], Tensor], like: Tensor
) -> None:
    """Add the value of each node to `values`; `learned(node)` computes products and diagonals.

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
    values = {node: x for node in equations.nodes if node.operation == "input"}
    values |= {
        node: states[equations.states.index(node.name)]
        for node in equations.nodes
        if node.operation == "state"
    }

    evaluate(
        equations.nodes,
        values,
        lambda node: learned_values(node, equations, parameters, values),
        like=states[0],
    )
    return values


def learned_values(
    node: Node, equations: Equations, parameters: Mapping[str, Tensor], values: Mapping[Node, Tensor]
) -> Tensor:
    """A product, forward or transposed, a diagonal or a free vector, from the vectors that it reads."""
    layout = equations.layout
    if node.operation == "param":
        return parameters[node.name]
    if node.operation == "scale":
        row = layout.rows["weight_peephole"].index(node.name)
        return parameters["weight_peephole"][row] * values[node.operands[0]]

    def block(place: Block) -> Tensor:
        packed, height = parameters[place.parameter], len(layout.rows[place.parameter])
        return packed.unflatten(0, (height, -1))[place.row]

    if node.operation == "transposed":
        vector, *affines = node.about
        matrices = [next(b for b in layout.weights[affine] if b.vector is vector) for affine in affines]
        terms = [values[delta] @ block(b) for delta, b in zip(node.operands, matrices, strict=True)]
    else:
        weights = zip(node.operands, layout.weights[node], strict=True)
        terms = [F.linear(values[vector], block(place)) for vector, place in weights]
        terms += [block(b) for b in layout.biases[node] if b.parameter in parameters]
    return functools.reduce(torch.add, terms)


def run(call: Call) -> tuple[Tensor, list[Tensor]]:
    """The whole sequence, one step after another, differentiable by autograd to any order.

    Returns the output in the form of x, and the final states.
    """
    [output], final = run_states(call, 1)
    return output, final


def run_states(call: Call, count: int | None = None) -> tuple[list[Tensor], list[Tensor]]:
    """The first `count` states (None: all) at every step, of which the first is the output; and the final states."""
    rows, final = [], call.initial
    for after, _, states in _steps(call):
        rows.append(after[:count])
        final = states
    return [_joined(call, state) for state in zip(*rows, strict=True)], final


def trace(call: Call) -> dict[str, Tensor]:
    """Every named vector of every step, (T, B, H) or (N, H) each, in the order of the equations."""
    names = call.equations.names
    steps = [[values[node] for node in names] for _, values, _ in _steps(call)]
    return {
        name: _joined(call, vectors)
        for name, vectors in zip(names.values(), zip(*steps, strict=True), strict=True)
    }


def _joined(call: Call, rows: tuple[Tensor, ...]) -> Tensor:
    """The rows of each step, in the order in which they were computed -> the form of x."""
    join = torch.stack if call.batch_sizes is None else torch.cat
    return join(rows[::-1] if call.reverse else rows)


def _steps(call: Call) -> Iterator[tuple[list[Tensor], dict[Node, Tensor], list[Tensor]]]:
    """Walk the sequence: (new states, every vector of the step, all states). A row not in step t keeps its state."""
    equations, states = call.equations, call.initial
    inputs = call.by_step(call.x)
    begins = None if call.resets is None else call.by_step(call.resets)
    probes = None if call.probe is None else [call.by_step(each) for each in call.probe]
    for t in reversed(range(len(inputs))) if call.reverse else range(len(inputs)):
        rows = len(inputs[t])
        before = [state[:rows] for state in states]
        if begins is not None:
            before = [state.masked_fill(begins[t].unsqueeze(-1), 0) for state in before]
        values = step_vectors(equations, inputs[t], before, call.parameters)
        for node in (*equations.names, *equations.new_states):  # a constant spans the whole row
            values[node] = values[node].expand_as(before[0])
        after = [values[node] for node in equations.new_states]
        if probes is not None:
            after = [new + each[t] for new, each in zip(after, probes, strict=True)]
        states = [
            torch.cat([new, old[rows:]]) if rows < len(old) else new
            for new, old in zip(after, states, strict=True)
        ]
        yield after, values, states
