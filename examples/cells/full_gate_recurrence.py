"""FGR: full gate recurrence (Greff et al. 2017, "LSTM: a search space odyssey", arXiv:1503.04069).

Every gate sees all gates of the step before, so these are states too. The paper's y is h here.
"""

from carousel.equations import Cell, affine, scale, sigmoid, tanh


class FullGateRecurrence(Cell):
    states = ("h", "c", "input", "forget", "output")

    def step(self, x, h, c, i, f, o):
        before = h, i, f, o
        i = sigmoid(affine("i", x, *before) + scale("i", c))
        f = sigmoid(affine("f", x, *before) + scale("f", c))
        z = tanh(affine("z", x, h))
        c = f * c + i * z
        o = sigmoid(affine("o", x, *before) + scale("o", c))
        h = o * tanh(c)
        return h, c, i, f, o
