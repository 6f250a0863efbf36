"""What one step does to small changes of its state: the tangent map, its transpose and its matrix in closed form.

All three are derived from the equations of the cell. The transpose is the backward pass of `equations.derive`; forwards
every elementwise operation contributes its slope by the same rules, every product its matrix. The state is the full
one, all states of the cell side by side, s = (h, c) for an LSTM: a map of h alone would leave out the very path that
keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property, partial, reduce
from operator import add
from typing import TypeVar

import torch
from torch import Tensor

from carousel.diagnosis.observation.cell import WeightedCell
from carousel.emit.reference import OPERATIONS, evaluate
from carousel.equations import Equations
from carousel.equations.derive import SLOPES, Rules, reverse_mode
from carousel.equations.graph import REDUCTIONS, Node, constant, make, multiply, topological
from carousel.errors import CarouselError

T = TypeVar("T")

INPUT = make("input", name="x")
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0, "elu": 1.0}  # the largest slope of each activation


_STEEP: Rules = {
    **SLOPES,
    **{
        name: partial(lambda slope, d, y, a: (multiply(d, slope),), slope) for name, slope in STEEPEST.items()
    },
}


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The derivatives of a step as vectors of the same graph.

    Attributes:
        slopes: elementwise vector -> its derivative by each of its operands.
        fixed: what is found once at a point: slopes, and what the backward pass needs and no gradient changes.
        moving: the rest of the backward pass, in its order; gradients: state or "x" -> the last vector of it, if any.
    """

    slopes: dict[Node, tuple[Node, ...]]
    fixed: list[Node]
    moving: list[Node]
    gradients: dict[str, Node | None]


@cache
def derivatives_of(equations: Equations, steepest: bool) -> Derivatives:
    """Derived by the rules of `equations.derive`; with `steepest`, by the largest slope of each activation."""
    rules: Rules = _STEEP if steepest else SLOPES
    slopes = {
        node: rules[node.operation](constant(1), node, *node.operands)
        for node in equations.nodes
        if node.operation in rules and node.operation not in REDUCTIONS
    }
    back = reverse_mode(equations, rules)
    gradients = {name: gradient.total for name, gradient in back.previous.items()} | {"x": back.input}
    roots = [node for node in gradients.values() if node is not None]
    known = set(equations.nodes)
    moving: dict[Node, None] = {}
    for node in topological(roots, stop=known.__contains__):
        if node.operation == "cotangent" or any(each in moving for each in node.operands):
            moving[node] = None
    needed = [each for all_of_node in slopes.values() for each in all_of_node]
    needed += [each for node in moving for each in node.operands if each not in moving]
    fixed = topological(needed, stop=known.__contains__)
    return Derivatives(slopes, list(fixed), list(moving), gradients)


class Linearisation:
    """The tangent map of one layer's step at N points at once.

    Made by `layer.linearise(x, s)` with x (N, I) and s (N, n). Vectors that go through it are rows: v is (N, k, n),
    k directions at each point, or (N, n).
    """

    def __init__(self, layer: WeightedCell, x: Tensor, s: Tensor, steepest: bool = False) -> None:
        self.layer = layer
        self.equations = layer.equations
        self.points = s.shape[0]
        self.values = layer.vectors(x, s)
        self._like = s[..., : layer.hidden]
        self.derivatives = derivatives_of(layer.equations, steepest)
        evaluate(self.derivatives.fixed, self.values, _no_products, like=self._like)

    @cached_property
    def slopes(self) -> dict[Node, tuple[Tensor, ...]]:
        """Elementwise vector -> the values of its derivatives by its operands, (N, H) or numbers."""
        return {
            node: tuple(self.values[slope] for slope in each)
            for node, each in self.derivatives.slopes.items()
        }

    def at(self, points: slice) -> Linearisation:
        """The maps at some of the points; nothing is computed again."""
        part = copy(self)
        part.values = {node: _rows(value, points) for node, value in self.values.items()}
        part.__dict__.pop("slopes", None)
        part._like = self._like[points]
        part.points = len(part._like)
        return part

    @property
    def new_state(self) -> Tensor:
        """The state after the step, (N, n)."""
        return self.layer.new_state(self.values, torch.Size([self.points]))

    def jvp(self, v: Tensor, dx: Tensor | None = None) -> Tensor:
        """J v (+ the derivative by the input times dx, (N, k, I)) for each row v of (N, k, n) or (N, n)."""
        if v.dim() == 2:
            return self.jvp(v.unsqueeze(1), None if dx is None else dx.unsqueeze(1)).squeeze(1)
        parts = v.split(self.layer.hidden, dim=-1)
        seeds = dict(zip(map(state_node, self.equations.states), parts, strict=True))
        products: dict[Node, Tensor] = {}

        def through(node: Node, k: int, tangent: Tensor) -> Tensor:
            vector = node.operands[k]
            if node.operation == "affine":
                if vector not in products:
                    products[vector] = tangent @ self.layer.stacked[vector].T
                return self.layer.block_of(products[vector], vector, node)
            if node.operation == "scale":
                return tangent * self.layer.diagonal(node)
            if node.operation in REDUCTIONS:
                return _over_units(node, tangent)
            return tangent * _wide(self.slopes[node][k])

        tangents = forward_mode(self.equations, seeds if dx is None else {**seeds, INPUT: dx}, through)
        zero = torch.zeros_like(parts[0])
        return torch.cat([tangents.get(node, zero) for node in self.equations.new_states], dim=-1)

    def vjp(self, u: Tensor) -> Tensor:
        """u^T J for each row u of (N, k, n) or (N, n)."""
        return self.pull_back(u)[0]

    def pull_back(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """(u^T J, u^T dstep/dx): the gradients of the state and of the input, given that of the new state."""
        if u.dim() == 2:
            ds, dx = self.pull_back(u.unsqueeze(1))
            return ds.squeeze(1), dx.squeeze(1)
        found: dict[Node, Tensor] = {}
        asked = dict(zip(self.equations.states, u.split(self.layer.hidden, dim=-1), strict=True))

        def value(node: Node) -> Tensor:
            return found[node] if node in found else _wide(self.values[node])

        for node in self.derivatives.moving:
            if node.operation == "cotangent":
                found[node] = asked[node.name]
            elif node.operation == "transposed":
                vector, *affines = node.about
                parts = zip(reversed(affines), reversed(node.operands), strict=True)
                found[node] = self.layer.transposed_product(
                    vector, {affine: found[each] for affine, each in parts}
                )
            elif node.operation == "scale":
                found[node] = found[node.operands[0]] * self.layer.diagonal(node)
            elif node.operation in REDUCTIONS:
                found[node] = _over_units(node, found[node.operands[0]])
            else:
                found[node] = OPERATIONS[node.operation](*map(value, node.operands))
        ends = {
            name: None if node is None else value(node) for name, node in self.derivatives.gradients.items()
        }
        zero = torch.zeros_like(u[..., : self.layer.hidden])
        ds = torch.cat([_or(ends[state], zero) for state in self.equations.states], dim=-1)
        return ds, _or(ends["x"], u.new_zeros(*u.shape[:-1], self.layer.input_size))

    def matrix(self) -> Tensor:
        """J = ds'/ds, (N, n, n), in closed form: row a, column b is the derivative of s'_a by s_b."""
        return torch.cat([self._columns(state_node(state)) for state in self.equations.states], dim=-1)

    def input_matrix(self) -> Tensor:
        """ds'/dx, (N, n, I)."""
        return self._columns(INPUT)

    def carry(self, state: str) -> Tensor | None:
        """What a state keeps of itself by elementwise paths alone, (N, H): f of an LSTM's c, z of a GRU's h.

        None if every path leads through a product, as in a simple network.
        """

        def through(node: Node, k: int, kept: Tensor) -> Tensor | None:
            if node.operation == "scale":
                return kept * self.layer.diagonal(node)
            return kept * self.slopes[node][k] if node in self.slopes else None

        whole = self._like.new_ones(self.points, self.layer.hidden)
        kept = forward_mode(self.equations, {state_node(state): whole}, through)
        return kept.get(self.equations.new_states[self.equations.states.index(state)])

    def _columns(self, leaf: Node) -> Tensor:
        width = self.layer.input_size if leaf is INPUT else self.layer.hidden
        unit = torch.eye(width, dtype=self._like.dtype)
        columns = columns_of(
            self.layer, {leaf: unit}, self.layer.weight, self.layer.diagonal, self.slopes.__getitem__
        )
        return columns.expand(self.points, -1, -1)


def forward_mode(
    equations: Equations, seeds: Mapping[Node, T], through: Callable[[Node, int, T], T | None]
) -> dict[Node, T]:
    """What reaches each vector of a step from the seeds: of every operand that was reached, what goes `through`.

    through(node, k, value): the value of operand k behind the node, or None where it does not pass. Values add up in
    the order of the operands.
    """
    found = dict(seeds)
    for node in equations.nodes:
        come = [through(node, k, found[each]) for k, each in enumerate(node.operands) if each in found]
        if parts := [part for part in come if part is not None]:
            found[node] = reduce(add, parts)
    return found


def columns_of(
    cell: WeightedCell,
    seed: Mapping[Node, Tensor],
    weight: Callable[[Node, Node], Tensor],
    diagonal: Callable[[Node], Tensor],
    slopes: Callable[[Node], Sequence[Tensor]],
) -> Tensor:
    """The matrices of the new states by one leaf, one under the other, (n, W) or (N, n, W), from their parts.

    seed: the leaf and the unit matrix of its size. The matrix of a sum over units has equal rows.
    """

    def through(node: Node, k: int, matrix: Tensor) -> Tensor:
        if node.operation == "affine":
            matrices = weight(node, node.operands[k])
            return matrices if node.operands[k] in seed else matrices @ matrix
        if node.operation in REDUCTIONS:
            return _over_units(node, matrix, dim=-2)
        slope = diagonal(node) if node.operation == "scale" else slopes(node)[k]
        return matrix * (slope.unsqueeze(-1) if slope.dim() else slope)

    found = forward_mode(cell.equations, seed, through)
    [unit] = seed.values()
    none = unit.new_zeros(cell.hidden, unit.shape[-1])
    return torch.cat(
        torch.broadcast_tensors(*(found.get(each, none) for each in cell.equations.new_states)), dim=-2
    )


def state_node(name: str) -> Node:
    """The leaf of the graph that stands for a state before the step."""
    return make("state", name=name)


def _rows(value: Tensor, points: slice) -> Tensor:
    """Of (N, H) some rows; a constant or a learned vector is that of every point."""
    return value[points] if value.dim() > 1 else value


def _over_units(node: Node, values: Tensor, dim: int = -1) -> Tensor:
    """The sum or mean over units, for every unit; it is its own transpose."""
    total = values.sum(dim, keepdim=True) if node.operation == "sum" else values.mean(dim, keepdim=True)
    return total.expand_as(values)


def _or(value: Tensor | None, otherwise: Tensor) -> Tensor:
    return otherwise if value is None else value.expand_as(otherwise)


def _wide(slope: Tensor) -> Tensor:
    """(N, H) beside rows (N, k, H)."""
    return slope.unsqueeze(-2) if slope.dim() else slope


def _no_products(node: Node) -> Tensor:
    raise CarouselError(f"The slope of an elementwise operation must hold no product; got {node!r}.")
