"""minGRU (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201):
a GRU whose gate and candidate do not read the state."""

from carousel.equations import Cell, affine, sigmoid


class MinGRU(Cell):
    states = ("h",)

    def step(self, x, h):
        z = sigmoid(affine("z", x))
        n = affine("n", x)
        h = (1 - z) * h + z * n
        return h
