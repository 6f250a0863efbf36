"""A cell's equations with the numbers of one layer: every vector of a step, and the matrices between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from carousel.emit.reference import evaluate
from carousel.equations import Equations
from carousel.equations.graph import Node


@dataclass(frozen=True, eq=False)
class WeightedCell:
    """The step of a cell with its weights, on the full state s: all states side by side, (h, c) for an LSTM.

    Attributes:
        equations: the cell.
        parameters: packed, by the names of `equations.layout`.
        input_size, hidden: I and H.
        projection: (P, H) if the module's output is a projection of h (an LSTM with proj_size), else None. The
            recurrent matrix is then the product U W_hr, and h is what stands before the projection: the same
            dynamics, in which every vector has size H.
    """

    equations: Equations
    parameters: Mapping[str, Tensor] = field(repr=False)
    input_size: int
    hidden: int
    projection: Tensor | None = field(default=None, repr=False)

    @property
    def states(self) -> tuple[str, ...]:
        return self.equations.states

    @property
    def size(self) -> int:
        """n, the size of the full state."""
        return self.hidden * len(self.states)

    @property
    def sizes(self) -> dict[str, int]:
        """State -> its part of n."""
        return dict.fromkeys(self.states, self.hidden)

    def part(self, s: Tensor, state: str) -> Tensor:
        """One state of the full one: (..., n) -> (..., H)."""
        return s.split(self.hidden, dim=-1)[self.states.index(state)]

    def output(self, s: Tensor) -> Tensor:
        """What the module gives out at state s: h, or its projection."""
        h = s[..., : self.hidden]
        return h if self.projection is None else h @ self.projection.T

    def from_output(self, gradient: Tensor) -> Tensor:
        """A gradient of the output as one of the full state, (..., n): the transpose of `output`."""
        on_h = gradient if self.projection is None else gradient @ self.projection
        return nn.functional.pad(on_h, (0, self.size - self.hidden))

    def step(self, x: Tensor, s: Tensor) -> Tensor:
        """The state after one step. x: (..., I), s: (..., n) -> (..., n)."""
        return self.new_state(self.vectors(x, s), s.shape[:-1])

    def new_state(self, values: Mapping[Node, Tensor], points: torch.Size) -> Tensor:
        """The full state out of the vectors of a step, (..., n)."""
        parts = [values[node].expand(*points, self.hidden) for node in self.equations.new_states]
        return torch.cat(parts, dim=-1)

    def vectors(self, x: Tensor, s: Tensor) -> dict[Node, Tensor]:
        """Every vector of one step, node -> (..., H)."""
        parts = s.split(self.hidden, dim=-1)
        values: dict[Node, Tensor] = {}
        for node in self.equations.nodes:
            if node.operation == "input":
                values[node] = x
            elif node.operation == "state":
                values[node] = parts[self.states.index(node.name)]
        products: dict[Node, Tensor] = {}

        def learned(node: Node) -> Tensor:
            if node.operation == "param":
                return self.parameters[node.name]
            if node.operation == "scale":
                return self.diagonal(node) * values[node.operands[0]]
            total = self.bias(node)
            for vector in node.operands:
                if vector not in products:
                    products[vector] = values[vector] @ self.stacked[vector].T
                total = total + self.block_of(products[vector], vector, node)
            return total

        evaluate(self.equations.nodes, values, learned, like=parts[0])
        return values

    def norm(self, affine: Node, vector: Node) -> Tensor:
        """The spectral norm of the matrix of one product for one vector, computed once: it is expensive."""
        if (affine, vector) not in self._norms:
            self._norms[affine, vector] = torch.linalg.matrix_norm(self.weight(affine, vector), ord=2)
        return self._norms[affine, vector]

    @cached_property
    def _norms(self) -> dict[tuple[Node, Node], Tensor]:
        return {}

    @cached_property
    def readers(self) -> dict[Node, list[Node]]:
        """Vector -> the affines that multiply it."""
        readers: dict[Node, list[Node]] = {}
        for affine in self.equations.affines:
            for vector in affine.operands:
                readers.setdefault(vector, []).append(affine)
        return readers

    @cached_property
    def stacked(self) -> dict[Node, Tensor]:
        """Vector -> all matrices that multiply it, one under the other: one product serves all."""
        return {
            vector: torch.cat([self.weight(affine, vector) for affine in affines])
            for vector, affines in self.readers.items()
        }

    @cached_property
    def stacked_sizes(self) -> dict[Node, Tensor]:
        """The moduli of `stacked`, entry by entry: interval arithmetic multiplies by them at every round."""
        return {vector: matrix.abs() for vector, matrix in self.stacked.items()}

    def weight(self, affine: Node, vector: Node) -> Tensor:
        """The matrix of one product for one of the vectors that it reads, (H, H) or (H, I)."""
        place = next(b for b in self.equations.layout.weights[affine] if b.vector is vector)
        return self._rows(place.parameter, place.row)

    def bias(self, affine: Node) -> Tensor:
        """The sum of the product's biases, (H,)."""
        return self._biases[affine]

    @cached_property
    def _biases(self) -> dict[Node, Tensor]:
        zero = next(iter(self.parameters.values())).new_zeros(self.hidden)
        return {
            affine: sum(
                (
                    self._rows(place.parameter, place.row)
                    for place in self.equations.layout.biases[affine]
                    if place.parameter in self.parameters
                ),
                start=zero,
            )
            for affine in self.equations.affines
        }

    def diagonal(self, scale: Node) -> Tensor:
        """A learned diagonal, (H,), of a step or of its backward pass."""
        return self.parameters["weight_peephole"][
            self.equations.layout.rows["weight_peephole"].index(scale.name)
        ]

    def block_of(self, product: Tensor, vector: Node, affine: Node) -> Tensor:
        """The part of a product with `stacked[vector]` that belongs to one affine."""
        return product.split(self.hidden, dim=-1)[self.readers[vector].index(affine)]

    def transposed_product(self, vector: Node, gradients: Mapping[Node, Tensor]) -> Tensor:
        """What affines send back to a vector they read: the sum of their gradients times their matrices."""
        readers = self.readers[vector]
        if len(gradients) == len(readers):
            return torch.cat([gradients[affine] for affine in readers], dim=-1) @ self.stacked[vector]
        parts = [gradient @ self.weight(affine, vector) for affine, gradient in gradients.items()]
        return torch.stack(parts).sum(dim=0)

    def _rows(self, parameter: str, row: int) -> Tensor:
        return self.parameters[parameter][row * self.hidden : (row + 1) * self.hidden]
