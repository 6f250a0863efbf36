"""Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks",
arXiv:1603.09420): a GRU whose one gate both forgets and resets."""

from carousel.equations import Cell, affine, sigmoid, tanh


class MinimalGatedUnit(Cell):
    states = ("h",)

    def step(self, x, h):
        f = sigmoid(affine("f", x, h))
        n = tanh(affine("n", x, f * h))
        h = (1 - f) * h + f * n
        return h
