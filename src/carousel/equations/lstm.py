"""Long short-term memory: a cell c that keeps what the gates let in, so that its gradient survives (the carousel)."""

from carousel.equations.cell import Cell
from carousel.equations.graph import Node
from carousel.equations.language import affine, scale, sigmoid, tanh


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

    states = ("h", "c")

    def step(self, x: Node, h: Node, c: Node) -> tuple[Node, Node]:
        i = sigmoid(affine("i", x, h))
        f = sigmoid(affine("f", x, h))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        o = sigmoid(affine("o", x, h))
        h = o * tanh(c)
        return h, c


class DiagonalPeepholeLSTM(Cell):
    """Each gate sees its own cell through one weight (Gers & Schmidhuber 2000): i and f the old, o the new."""

    states = ("h", "c")

    def step(self, x: Node, h: Node, c: Node) -> tuple[Node, Node]:
        i = sigmoid(affine("i", x, h) + scale("i", c))
        f = sigmoid(affine("f", x, h) + scale("f", c))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        o = sigmoid(affine("o", x, h) + scale("o", c))
        h = o * tanh(c)
        return h, c


class FullPeepholeLSTM(Cell):
    """Each gate sees all cells through a matrix: W [C, h, x] + b, i and f the old cells, o the new."""

    states = ("h", "c")

    def step(self, x: Node, h: Node, c: Node) -> tuple[Node, Node]:
        i = sigmoid(affine("i", x, h, c))
        f = sigmoid(affine("f", x, h, c))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        o = sigmoid(affine("o", x, h, c))
        h = o * tanh(c)
        return h, c
