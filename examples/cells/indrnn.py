"""Independently recurrent network (Li, Li, Cook, Zhu & Gao 2018, "Independently recurrent neural network",
arXiv:1803.04831): each unit sees only itself; h_t = relu(W x_t + u * h_{t-1} + b)."""

from carousel.equations import Cell, affine, relu, scale


class IndRNN(Cell):
    states = ("h",)

    def step(self, x, h):
        h = relu(affine("h", x) + scale("u", h))
        return h
