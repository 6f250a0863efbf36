"""Independently recurrent network (Li, Li, Cook, Zhu & Gao 2018, "Independently recurrent neural network",
arXiv:1803.04831): each unit sees only itself; h_t = relu(W x_t + u * h_{t-1} + b), u uniform from 0 at the start."""

from carousel.equations import Cell, affine, init, param, relu


class IndRNN(Cell):
    states = ("h",)

    def __init__(self, longest: int = 100) -> None:
        self.longest = longest  # steps over which no unit may grow to more than 2

    def step(self, x, h):
        u = param("u", init=init.uniform(0, 2 ** (1 / self.longest)))
        h = relu(affine("h", x) + u * h)
        return h
