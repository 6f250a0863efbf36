"""sLSTM of xLSTM (Beck et al. 2024, "xLSTM: extended long short-term memory", arXiv:2405.04517):
exponential gates, a normaliser n, and a stabiliser m that keeps exp within range. Forget gate: sigmoid."""

from carousel.equations import Cell, affine, exp, log, maximum, minimum, sigmoid, step, tanh


class SLSTM(Cell):
    states = ("h", "c", "n", "m")

    def step(self, x, h, c, n, m):
        z = tanh(affine("z", x, h))
        log_i, a = affine("i", x, h), affine("f", x, h)
        log_f = minimum(a, 0) - log(1 + exp(minimum(a, -a)))  # log(sigmoid(a)) without underflow
        o = sigmoid(affine("o", x, h))
        past, before = step(n), log_f + m  # past is 0 at the first step: there m is log_i
        m = past * maximum(before, log_i) + (1 - past) * log_i
        i, f = exp(log_i - m), exp(minimum(before - m, 0))
        c = f * c + i * z
        n = f * n + i
        h = o * c / n
        return h, c, n, m
