"""What one step does to small changes of its state: the tangent map, its transpose and its matrix in closed form.

All three are derived from the equations of the cell: every elementwise operation contributes its slope (the rule of
`equations.derive`), every product its matrix. The state is the full one, all states of the cell side by side, s =
(h, c) for an LSTM: a map of h alone would leave out the very path that keeps its gradient.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from carousel.diagnosis.observation.cell import WeightedCell
from carousel.emit.reference import evaluate
from carousel.equations import Equations
from carousel.equations.derive import SLOPES
from carousel.equations.graph import REDUCTIONS, Node, constant, topological
from carousel.errors import CarouselError

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

    @property
    def is_zero(self) -> bool:
        return self.diagonal is None and self.dense is None

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
        diagonal = None if self.diagonal is None else torch.diag_embed(self.diagonal)
        dense = _plus(diagonal, self.dense)
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
        tangents: dict[Node, Tensor] = {}
        products: dict[Node, Tensor] = {}
        for node in self.equations.nodes:
            tangent: Tensor | None = None
            if node.operation == "state":
                tangent = parts[self.equations.states.index(node.name)]
            elif node.operation == "input":
                tangent = dx
            elif node.operation == "affine":
                for vector in node.operands:
                    if vector in tangents:
                        if vector not in products:
                            products[vector] = tangents[vector] @ self.layer.stacked[vector].T
                        tangent = _plus(tangent, self.layer.block_of(products[vector], vector, node))
            elif node.operation == "scale":
                if node.operands[0] in tangents:
                    tangent = tangents[node.operands[0]] * self.layer.diagonal(node)
            elif node.operation in REDUCTIONS:
                if node.operands[0] in tangents:
                    tangent = _over_units(node, tangents[node.operands[0]])
            elif node in self.slopes:
                for operand, slope in zip(node.operands, self.slopes[node], strict=True):
                    if operand in tangents:
                        tangent = _plus(tangent, tangents[operand] * _wide(slope))
            if tangent is not None:
                tangents[node] = tangent
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
        return torch.cat(
            [self._columns("state", state, self.layer.hidden) for state in self.equations.states], dim=-1
        )

    def input_matrix(self) -> Tensor:
        """ds'/dx, (N, n, I)."""
        return self._columns("input", "x", self.layer.input_size)

    def carry(self, state: str) -> Tensor | None:
        """What a state keeps of itself by elementwise paths alone, (N, H): f of an LSTM's c, z of a GRU's h.

        None if every path leads through a product, as in a simple network.
        """
        kept: dict[Node, Tensor] = {}
        for node in self.equations.nodes:
            if (node.operation, node.name) == ("state", state):
                kept[node] = self._like.new_ones(self.points, self.layer.hidden)
            elif node.operation == "scale":
                if node.operands[0] in kept:
                    kept[node] = kept[node.operands[0]] * self.layer.diagonal(node)
            elif node in self.slopes:
                for operand, slope in zip(node.operands, self.slopes[node], strict=True):
                    if operand in kept:
                        kept[node] = _plus(kept.get(node), kept[operand] * slope)  # type: ignore[assignment]
        return kept.get(self.equations.new_states[self.equations.states.index(state)])

    def _columns(self, operation: str, name: str, width: int) -> Tensor:
        """Forward mode with all unit vectors of one leaf at once, diagonal as long as it is."""
        blocks: dict[Node, Block] = {}
        for node in self.equations.nodes:
            block = Block()
            if (node.operation, node.name) == (operation, name):
                block = Block(diagonal=self._like.new_ones(1, width))
            elif node.operation == "affine":
                for vector in node.operands:
                    if vector in blocks:
                        block += blocks[vector].after(self.layer.weight(node, vector))
            elif node.operation == "scale":
                if node.operands[0] in blocks:
                    block = blocks[node.operands[0]].rows_times(self.layer.diagonal(node))
            elif node.operation in REDUCTIONS:
                if node.operands[0] in blocks:
                    block = blocks[node.operands[0]].over_units(node)
            elif node in self.slopes:
                for operand, slope in zip(node.operands, self.slopes[node], strict=True):
                    if operand in blocks:
                        block += blocks[operand].rows_times(slope)
            if not block.is_zero:
                blocks[node] = block
        rows = [
            blocks.get(node, Block()).matrix(self.points, self.layer.hidden, width, self._like)
            for node in self.equations.new_states
        ]
        return torch.cat(rows, dim=-2)


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
