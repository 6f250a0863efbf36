"""NOG: no output gate, o = 1 (Greff et al. 2017, "LSTM: a search space odyssey", arXiv:1503.04069).

The paper's y is h here.
"""

from carousel.equations import Cell, affine, scale, sigmoid, tanh


class NoOutputGate(Cell):
    states = ("h", "c")

    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h) + scale("i", c))
        f = sigmoid(affine("f", x, h) + scale("f", c))
        z = tanh(affine("z", x, h))
        c = f * c + i * z
        h = tanh(c)
        return h, c
