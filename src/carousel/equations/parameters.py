"""The packed parameters of a cell, with the names and the order of torch.nn.

Every affine contributes one block of rows to the matrix of each vector it reads: `weight_ih` (from the input x),
`weight_hh` (from the state h), `weight_ch` (from the state c). A vector that is no state, such as r * h, belongs to
the matrix of the first state. `bias_ih` has a block for each affine that reads x, `bias_hh` for each that reads
anything else. `weight_peephole` has one row for each scale. A param is a parameter of its own, (H,), by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from carousel.equations.graph import Node
from carousel.errors import CarouselError

BIASES = ("bias_ih", "bias_hh")


@dataclass(frozen=True)
class Block:
    """One block of H rows in a packed parameter; for a matrix, `vector` is what it multiplies."""

    parameter: str
    row: int
    vector: Node | None = None


class Layout:
    """The packed parameters of a cell.

    Attributes:
        rows: parameter name -> the names of the affines (or scales) whose blocks it stacks, in call order.
        weights: affine -> its matrix blocks; biases: affine -> its bias blocks; vectors: scale or
            param -> its row, scales first.
    """

    def __init__(
        self,
        states: tuple[str, ...],
        new_states: tuple[Node, ...],
        affines: list[Node],
        scales: list[Node],
        params: list[Node],
    ) -> None:
        self._states = states
        self._state_of_node = dict(zip(new_states, states, strict=True))
        self.rows: dict[str, list[str]] = {}
        self.weights: dict[Node, list[Block]] = {}
        self.biases: dict[Node, list[Block]] = {}
        self.vectors: dict[Node, Block] = {}
        for affine in affines:
            self.weights[affine] = [self._matrix_block(affine, vector) for vector in affine.operands]
            sides = dict.fromkeys(
                "bias_ih" if vector.operation == "input" else "bias_hh" for vector in affine.operands
            )
            self.biases[affine] = [self._block(side, affine.name) for side in sides]
        for node in scales:
            self.vectors[node] = self._block("weight_peephole", node.name)
        self._free = {node.name for node in params}
        for node in params:
            if node.name in self.rows or node.name in BIASES:
                raise CarouselError(
                    f"param({node.name!r}) has the name of packed weights of this cell "
                    f"({', '.join(self.rows)}). Give it another."
                )
            self.vectors[node] = self._block(node.name, node.name)

    def shapes(self, input_size: int, hidden_size: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
        """Parameter name -> shape, in the order of torch.nn (weights, biases), then what torch does not have."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name in self.names:
            height = len(self.rows[name])
            if name in self._free:
                shapes[name] = (hidden_size,)
            elif name in BIASES:
                if bias:
                    shapes[name] = (height * hidden_size,)
            elif name == "weight_peephole":
                shapes[name] = (height, hidden_size)
            else:
                shapes[name] = (height * hidden_size, input_size if name == "weight_ih" else hidden_size)
        return shapes

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters in the order of torch.nn, biases included."""
        return tuple(sorted(self.rows, key=self._rank))

    def _matrix_block(self, affine: Node, vector: Node) -> Block:
        block = self._block(self._matrix(vector), affine.name)
        return Block(block.parameter, block.row, vector)

    def _matrix(self, vector: Node) -> str:
        if vector.operation == "input":
            return "weight_ih"
        if vector.operation == "state":
            return f"weight_{vector.name}h"
        return f"weight_{self._state_of_node.get(vector, self._states[0])}h"

    def _block(self, parameter: str, name: str) -> Block:
        names = self.rows.setdefault(parameter, [])
        if name in names:
            raise CarouselError(
                f"{name!r} has two blocks in {parameter}: each name stands for one matrix per source. "
                "Give the second product another name and add the two."
            )
        names.append(name)
        return Block(parameter, len(names) - 1)

    def _rank(self, parameter: str) -> tuple[int, int]:
        first = ["weight_ih", f"weight_{self._states[0]}h", "bias_ih", "bias_hh"]
        known = first.index(parameter) if parameter in first else len(first)
        return known, list(self.rows).index(parameter)
