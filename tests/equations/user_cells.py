"""Cells that users might write: each has something that the built-in ones have not."""

from carousel.equations import (
    Cell,
    above,
    affine,
    elu,
    exp,
    identity,
    layer_norm,
    log,
    maximum,
    mean,
    minimum,
    param,
    relu,
    scale,
    sigmoid,
    sqrt,
    step,
    sum,
    tanh,
)


class ExponentialGates(Cell):
    """exp, log and division, as in sLSTM (Beck et al. 2024)."""

    states = ("h", "c", "n", "m")

    def step(self, x, h, c, n, m):
        z = tanh(affine("z", x, h))
        log_f, log_i = log(sigmoid(affine("f", x, h))), affine("i", x, h)
        before, m = m, maximum(log_f + m, log_i)
        i, f = exp(log_i - m), exp(log_f + before - m)
        c, n = f * c + i * z, f * n + i
        h = sigmoid(affine("o", x, h)) * (c / maximum(n, 1))
        return h, c, n, m


class Quotient(Cell):
    """A vector over a vector, a number over a vector, a vector over a number, and squares."""

    def step(self, x, h):
        a = affine("a", x, h)
        return a / (1 + a * a) + 3 / (2 + h * h) - (h - a) / 4


class Clipped(Cell):
    """maximum and minimum of vectors, and of a vector and a number."""

    def step(self, x, h):
        a = maximum(affine("a", x), affine("b", h))
        return minimum(maximum(a, -0.5), minimum(0.5, 2 * h))


class Rectified(Cell):
    """relu and elu, of products and of sums."""

    def step(self, x, h):
        a = relu(affine("a", x, h))
        return elu(affine("b", h) - a) + relu(a - h)


class TwoStages(Cell):
    """A product that waits for a gate; no variable but h has a name (Zhou et al. 2016)."""

    def step(self, x, h):
        return (1 - sigmoid(affine("f", x, h))) * h + sigmoid(affine("f", x, h)) * tanh(
            affine("n", x, sigmoid(affine("f", x, h)) * h)
        )


class ThreeStages(Cell):
    """Products of products of products, and every way in which two states can be read."""

    states = ("h", "c")

    def step(self, x, h, c):
        a = tanh(affine("a", x, h, c))
        b = sigmoid(affine("b", a, c) + affine("e", a * h))
        c = b * c + (1 - b) * a
        h = tanh(affine("d", x, b, c))
        return h, c


class LateSum(Cell):
    """Vectors of an early stage that only a late one reads, and no gradient does."""

    def step(self, x, h):
        early = affine("a", x, h) + log(2 + h * h) + exp(affine("b", x))
        return early + affine("d", tanh(affine("e", h)))


class Embedded(Cell):
    """Deeper input: x is projected twice, and its variable is used again."""

    def step(self, x, h):
        x = relu(affine("first", x))
        x = tanh(affine("second", x))
        h = sigmoid(x) * h + x
        return tanh(h)


class Unchanged(Cell):
    """A state that is only passed on."""

    states = ("h", "k")

    def step(self, x, h, k):
        return tanh(affine("h", x, h) + k), k


class Delayed(Cell):
    """States that move on by one place: new h is old a, new a is old b."""

    states = ("h", "a", "b")

    def step(self, x, h, a, b):
        return a, b, tanh(affine("n", x, h)) + 0.5 * h


class Doubled(Cell):
    """Two states that are the same vector."""

    states = ("h", "c")

    def step(self, x, h, c):
        n = sigmoid(affine("n", x, h)) * c
        return n, n


class ScaledIntermediate(Cell):
    """Learned diagonals of the new state, of an expression and of a number."""

    def step(self, x, h):
        a = tanh(affine("a", x, h) + scale("one", 1))
        b = sigmoid(affine("b", x) - scale("b", a) * scale("c", a * h))
        return b * a + scale("e", exp(-(b * b)))


class ConstantGates(Cell):
    """Gates that are numbers: a leaky integrator."""

    states = ("h", "c")

    def step(self, x, h, c):
        leak, o = 0.9, sigmoid(0.0)
        c = leak * c + (1 - leak) * affine("g", x, h)
        return o * tanh(c), c


class ConstantState(Cell):
    """A state that forgets everything: 0 * c is the number 0."""

    states = ("h", "c")

    def step(self, x, h, c):
        return tanh(affine("a", x, h, c)), 0 * c


class WithoutInput(Cell):
    """A cell that never reads x."""

    def step(self, x, h):
        return tanh(affine("a", h)) - 0.5 * h


class WithoutState(Cell):
    """A cell without memory."""

    def step(self, x, h):
        return sigmoid(affine("a", x))


class UnusedProduct(Cell):
    """One product is thrown away, one is seen through a step alone and so gets no gradient."""

    def step(self, x, h):
        affine("thrown_away", x, h)
        a = step(affine("a", x, h))
        return tanh(affine("b", x, h)) * a * above(h, 0.1)


class Signs(Cell):
    """Differences of differences, negations and numbers in every place."""

    def step(self, x, h):
        a = -sigmoid(affine("a", x, -h))
        b = identity(-(a - 2 * h)) * -0.5
        return -(b - (a - (-h))) * (2 * a * 3) - (-b) / (-2 * (1 + exp(a)))


class Cube(Cell):
    """One vector three times, and a product read by the next one and by itself."""

    def step(self, x, h):
        a = affine("a", x, h)
        return tanh(a * a * a) + affine("b", a) * a


class FreeVectors(Cell):
    """Learned vectors alone, added, multiplied, as a state, twice, and one that nothing depends on smoothly."""

    states = ("h", "c")

    def step(self, x, h, c):
        decay = sigmoid(param("decay"))
        c = decay * c + (1 - decay) * tanh(affine("g", x, param("reader") * h))
        h = param("gain") * c + param("offset") * step(param("gate")) + 0.3 * param("gain")
        return h, c


class ConstantVector(Cell):
    """A state that is a learned vector."""

    states = ("h", "p")

    def step(self, x, h, p):
        return tanh(affine("a", x, h, p)), param("begin")


class Normalised(Cell):
    """Layer normalisation of products, of a state and of itself, with gain and offset (Ba et al. 2016)."""

    states = ("h", "c")

    def step(self, x, h, c):
        f = sigmoid(layer_norm(affine("f", x)) * param("gain_f") + layer_norm(affine("f", h)))
        g = tanh(param("gain_g") * layer_norm(affine("g", x, h)) + param("offset_g"))
        c = f * c + (1 - f) * g
        h = tanh(layer_norm(layer_norm(c) * g))
        return h, c


class SharedNumbers(Cell):
    """Sums and means over units of everything, in products, divisors, states and under functions."""

    states = ("h", "m")

    def step(self, x, h, m):
        a = affine("a", x, h)
        level, size = mean(h), sqrt(sum(a * a) + 0.1)
        weights = exp(-(a - level) * (a - level))
        share = weights / (0.5 + sum(weights))
        new = affine("b", share * h) + affine("e", mean(a) * share) - 3 * mean(2 * a - level)
        h = tanh(new / size + scale("level", level)) + sum(share * new) + minimum(level, 0.1)
        return h, 0.5 * m + mean(sigmoid(new)) - sum(0.01)


class StatesAsNumbers(Cell):
    """Every new state is a sum over units or made of such alone; one is read by a product."""

    states = ("h", "a")

    def step(self, x, h, a):
        read = mean(affine("n", x, h))
        return sum(h * read + a), tanh(affine("m", read) - read) * mean(a)


USER_CELLS = {
    cell.__name__: cell()
    for cell in (
        ExponentialGates, Quotient, Clipped, Rectified, TwoStages, ThreeStages, LateSum, Embedded, Unchanged,
        Delayed, Doubled, ScaledIntermediate, ConstantGates, ConstantState, WithoutInput, WithoutState,
        UnusedProduct, Signs, Cube, FreeVectors, ConstantVector, Normalised, SharedNumbers, StatesAsNumbers,
    )
}  # fmt: skip
