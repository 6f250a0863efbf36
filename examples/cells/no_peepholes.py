"""NP: no peepholes (Greff et al. 2017, "LSTM: a search space odyssey", arXiv:1503.04069).

The paper's y is h here.
"""

from carousel.equations import Cell, affine, sigmoid, tanh


class NoPeepholes(Cell):
    states = ("h", "c")

    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h))
        f = sigmoid(affine("f", x, h))
        z = tanh(affine("z", x, h))
        c = f * c + i * z
        o = sigmoid(affine("o", x, h))
        h = o * tanh(c)
        return h, c
