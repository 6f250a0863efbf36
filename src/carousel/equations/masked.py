"""Recurrent dropout as equations: any cell with a mask that stays the same over all steps.

The mask is one more state that never changes, and each product with the matrix of the cell's own state reads
mask * h in place of h (Gal & Ghahramani 2016). Since it is a cell like any other, the kernel, its backward pass
and the reference follow; the parameters are those of the cell it is made from.
"""

from carousel.equations.cell import Cell
from carousel.equations.graph import Node, make

MASK = "mask"


class Masked(Cell):
    """`cell` with one more state, `mask`. The mask multiplies h only where a matrix multiplies h.

    >>> from carousel.equations.lstm import LSTM
    >>> Masked(LSTM()).states
    ('h', 'c', 'mask')
    >>> Masked(LSTM()).equations.layout.rows == LSTM().equations.layout.rows
    True
    """

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.states = (*cell.states, MASK)  # type: ignore[misc]

    def step(self, x: Node, *states: Node) -> tuple[Node, ...]:
        *_, mask = states
        base = self.cell.equations
        own = f"weight_{base.states[0]}h"
        new: dict[Node, Node] = {}
        for node in base.nodes:  # in the order of writing, which is that of the blocks in the parameters
            operands = [new[operand] for operand in node.operands]
            if node.operation == "affine":
                places = [block.parameter for block in base.layout.weights[node]]
                operands = [
                    mask * operand if place == own else operand
                    for operand, place in zip(operands, places, strict=True)
                ]
            new[node] = make(node.operation, *operands, name=node.name, value=node.value)
        return (*(new[node] for node in base.new_states), mask)
