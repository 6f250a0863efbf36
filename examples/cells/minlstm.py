"""minLSTM (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201):
gates that do not read the state and add up to 1."""

from carousel.equations import Cell, affine, sigmoid


class MinLSTM(Cell):
    states = ("h",)

    def step(self, x, h):
        f = sigmoid(affine("f", x))
        i = sigmoid(affine("i", x))
        n = affine("n", x)
        h = (f * h + i * n) / (f + i)
        return h
