"""JANET, just another network (van der Westhuizen & Lasenby 2018, "The unreasonable effectiveness of the forget
gate", arXiv:1804.04849): an LSTM with the forget gate alone; beta lets in more than is forgotten. Biases start by
chrono initialisation (Tallec & Ollivier 2018, arXiv:1804.11188), for memories of up to `longest` steps."""

from carousel.equations import Cell, affine, init, sigmoid, tanh


class JANET(Cell):
    states = ("h",)

    def __init__(self, longest: int = 100, beta: float = 1.0) -> None:
        self.longest, self.beta = longest, beta

    def step(self, x, h):
        s = affine("f", x, h, bias=init.chrono(self.longest))
        n = tanh(affine("c", x, h, bias=0))
        h = sigmoid(s) * h + (1 - sigmoid(s - self.beta)) * n
        return h
