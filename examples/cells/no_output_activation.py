"""NOAF: no output activation, h(x) = x (Greff et al. 2017, "LSTM: a search space odyssey", arXiv:1503.04069).

The paper's y is h here.
"""

from carousel.equations import Cell, affine, scale, sigmoid, tanh


class NoOutputActivation(Cell):
    states = ("h", "c")

    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h) + scale("i", c))
        f = sigmoid(affine("f", x, h) + scale("f", c))
        z = tanh(affine("z", x, h))
        c = f * c + i * z
        o = sigmoid(affine("o", x, h) + scale("o", c))
        h = o * c
        return h, c
