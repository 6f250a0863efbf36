"""The simple recurrent network (Elman 1990): h_t = f(W x_t + U h_{t-1} + b)."""

from carousel.equations.cell import Cell
from carousel.equations.graph import Node
from carousel.equations.language import affine, elu, identity, relu, sigmoid, tanh
from carousel.errors import CarouselError

NONLINEARITIES = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid, "elu": elu, "identity": identity}


class Elman(Cell):
    """The simple recurrent network with one of the `NONLINEARITIES`."""

    states = ("h",)

    def __init__(self, nonlinearity: str = "tanh") -> None:
        if nonlinearity not in NONLINEARITIES:
            raise CarouselError(
                f"nonlinearity must be one of {', '.join(NONLINEARITIES)}; it is {nonlinearity!r}."
            )
        self.nonlinearity = NONLINEARITIES[nonlinearity]

    def step(self, x: Node, h: Node) -> Node:
        h = self.nonlinearity(affine("h", x, h))
        return h
