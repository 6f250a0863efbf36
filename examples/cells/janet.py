"""JANET, just another network (van der Westhuizen & Lasenby 2018, "The unreasonable effectiveness of the forget
gate", arXiv:1804.04849): an LSTM with the forget gate alone; beta lets in more than is forgotten."""

from carousel.equations import Cell, affine, sigmoid, tanh


class JANET(Cell):
    states = ("h",)

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def step(self, x, h):
        s = affine("f", x, h)
        n = tanh(affine("c", x, h))
        h = sigmoid(s) * h + (1 - sigmoid(s - self.beta)) * n
        return h
