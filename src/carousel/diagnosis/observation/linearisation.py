"""What one step does to small changes of its state: the tangent map, its transpose and its matrix in closed form.

All three are derived from the equations of the cell: every elementwise operation contributes its slope (the rule of
`equations.derive`), every product its matrix. The state is the full one, all states of the cell side by side, s =
(h, c) for an LSTM: a map of h alone would leave out the very path that keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, reduce
from operator import add
from typing import TypeVar

import torch
from torch import Tensor

from carousel.diagnosis.observation.cell import WeightedCell
from carousel.emit.reference import evaluate
from carousel.equations import Equations
from carousel.equations.derive import SLOPES
from carousel.equations.graph import REDUCTIONS, Node, constant, make, topological
from carousel.errors import CarouselError

T = TypeVar("T")

INPUT = make("input", name="x")
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0, "elu": 1.0}  # the largest slope of each activation


@cache
def slopes_of(equations: Equations) -> dict[Node, tuple[Node, ...]]:
    """Elementwise vector -> its derivative by each of its operands, as vectors of the same graph."""
    return {
        node: SLOPES[node.operation](constant(1), node, *node.operands)
        for node in equations.nodes
        if node.operation in SLOPES and node.operation not in REDUCTIONS
    }


@dataclass(frozen=True, eq=False)
class Block:
    """A matrix of N points as diag + dense: (N, H) or None, and (N, H, W) or (1, H, W) or None."""

    diagonal: Tensor | None = None
    dense: Tensor | None = None

    def __add__(self, other: Block) -> Block:
        return Block(_plus(self.diagonal, other.diagonal), _plus(self.dense, other.dense))

    def rows_times(self, slope: Tensor) -> Block:
        """diag(slope) times this; slope: (N, H) or a number."""
        tall = slope.unsqueeze(-1) if slope.dim() else slope
        return Block(
            None if self.diagonal is None else self.diagonal * slope,
            None if self.dense is None else self.dense * tall,
        )

    def after(self, weight: Tensor) -> Block:
        """weight (H', H) times this."""
        parts = None if self.diagonal is None else weight * self.diagonal.unsqueeze(-2)
        return Block(None, _plus(parts, None if self.dense is None else weight @ self.dense))

    def over_units(self, node: Node) -> Block:
        """The sum or mean over units of this."""
        dense = self.dense if self.diagonal is None else _plus(torch.diag_embed(self.diagonal), self.dense)
        return self if dense is None else Block(None, _over_units(node, dense, dim=-2))

    def matrix(self, points: int, height: int, width: int, like: Tensor) -> Tensor:
        whole = like.new_zeros(points, height, width)
        if self.dense is not None:
            whole += self.dense
        if self.diagonal is not None:
            whole.diagonal(dim1=-2, dim2=-1).add_(self.diagonal)
        return whole


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
        self.slopes = self._slopes(steepest)

    def _slopes(self, steepest: bool) -> dict[Node, tuple[Tensor, ...]]:
        symbolic = slopes_of(self.equations)
        values = dict(self.values)
        roots = [slope for all_of_node in symbolic.values() for slope in all_of_node]
        order = topological(roots, stop=lambda node: node in values)
        evaluate(order, values, _no_products, like=self._like)
        found = {node: tuple(values[slope] for slope in each) for node, each in symbolic.items()}
        if steepest:
            for node in found:
                if node.operation in STEEPEST:
                    found[node] = (self._like.new_tensor(STEEPEST[node.operation]),)
        return found

    def at(self, points: slice) -> Linearisation:
        """The maps at some of the points; nothing is computed again."""
        part = copy(self)
        part.values = {node: _rows(value, points) for node, value in self.values.items()}
        part.slopes = {
            node: tuple(_rows(slope, points) for slope in slopes) for node, slopes in self.slopes.items()
        }
        part._like = self._like[points]
        part.points = len(part._like)
        return part

    @property
    def new_state(self) -> Tensor:
        """The state after the step, (N, n)."""
        shape = (self.points, self.layer.hidden)
        return torch.cat([self.values[node].expand(shape) for node in self.equations.new_states], dim=-1)

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
        cotangents: dict[Node, Tensor] = {}
        waiting: dict[
            Node, dict[Node, Tensor]
        ] = {}  # vector -> affine that reads it -> the affine's gradient

        def send(vector: Node, gradient: Tensor) -> None:
            cotangents[vector] = cotangents[vector] + gradient if vector in cotangents else gradient

        for node, part in zip(self.equations.new_states, u.split(self.layer.hidden, dim=-1), strict=True):
            send(node, part)
        for node in reversed(self.equations.nodes):
            if node in waiting:
                send(node, self.layer.transposed_product(node, waiting[node]))
            if node not in cotangents:
                continue
            own = cotangents[node]
            if node.operation == "affine":
                for vector in node.operands:
                    waiting.setdefault(vector, {})[node] = own
            elif node.operation == "scale":
                send(node.operands[0], own * self.layer.diagonal(node))
            elif node.operation in REDUCTIONS:
                send(node.operands[0], _over_units(node, own))
            elif node in self.slopes:
                for operand, slope in zip(node.operands, self.slopes[node], strict=True):
                    if operand.operation != "constant":
                        send(operand, own * _wide(slope))
        leaves = {node.name: cotangents.get(node) for node in self.equations.nodes if not node.operands}
        zero = torch.zeros_like(u[..., : self.layer.hidden])
        ds = torch.cat([_or(leaves.get(state), zero) for state in self.equations.states], dim=-1)
        return ds, _or(leaves.get("x"), u.new_zeros(*u.shape[:-1], self.layer.input_size))

    def matrix(self) -> Tensor:
        """J = ds'/ds, (N, n, n), in closed form: row a, column b is the derivative of s'_a by s_b."""
        width = self.layer.hidden
        return torch.cat([self._columns(state_node(state), width) for state in self.equations.states], dim=-1)

    def input_matrix(self) -> Tensor:
        """ds'/dx, (N, n, I)."""
        return self._columns(INPUT, self.layer.input_size)

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

    def _columns(self, leaf: Node, width: int) -> Tensor:
        """All unit vectors of one leaf at once."""
        unit = Block(diagonal=self._like.new_ones(1, width))
        blocks = block_columns(
            self.layer, leaf, unit, self.layer.weight, self.layer.diagonal, self.slopes.__getitem__
        )
        return torch.cat(
            [block.matrix(self.points, self.layer.hidden, width, self._like) for block in blocks], dim=-2
        )


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


def block_columns(
    cell: WeightedCell,
    leaf: Node,
    unit: Block,
    weight: Callable[[Node, Node], Tensor],
    diagonal: Callable[[Node], Tensor],
    slopes: Callable[[Node], Sequence[Tensor]],
) -> list[Block]:
    """For each new state its matrix by one leaf, from matrices, diagonals and slopes; diagonal as long as it is."""

    def through(node: Node, k: int, block: Block) -> Block:
        if node.operation == "affine":
            return block.after(weight(node, node.operands[k]))
        if node.operation == "scale":
            return block.rows_times(diagonal(node))
        return block.over_units(node) if node.operation in REDUCTIONS else block.rows_times(slopes(node)[k])

    found = forward_mode(cell.equations, {leaf: unit}, through)
    return [found.get(node, Block()) for node in cell.equations.new_states]


def state_node(name: str) -> Node:
    """The leaf of the graph that stands for a state before the step."""
    return make("state", name=name)


def _rows(value: Tensor, points: slice) -> Tensor:
    """Of (N, H) some rows; a constant or a learned vector is that of every point."""
    return value[points] if value.dim() > 1 else value


def _plus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


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
    raise CarouselError(f"The slope of an elementwise operation holds no product, but {node!r} came.")
