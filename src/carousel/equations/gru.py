"""The gated recurrent unit (Cho et al. 2014): one state, a reset gate r and an update gate z."""

from carousel.equations.cell import Cell
from carousel.equations.graph import Node
from carousel.equations.language import affine, sigmoid, tanh


class ResetAfterGRU(Cell):
    """The reset gate acts after the product, as in cuDNN and torch.nn.GRU."""

    states = ("h",)

    def step(self, x: Node, h: Node) -> Node:
        r = sigmoid(affine("r", x, h))
        z = sigmoid(affine("z", x, h))
        n = tanh(affine("n", x) + r * affine("n", h))
        h = (1 - z) * n + z * h
        return h


class ResetBeforeGRU(Cell):
    """The reset gate acts before the product: the original of Cho et al. 2014."""

    states = ("h",)

    def step(self, x: Node, h: Node) -> Node:
        r = sigmoid(affine("r", x, h))
        z = sigmoid(affine("z", x, h))
        n = tanh(affine("n", x, r * h))
        h = (1 - z) * n + z * h
        return h
