"""The words a cell is written in: learned products, diagonals and vectors, elementwise functions, sums over units.

Each takes and returns vectors of the hidden size (only `affine` may read the input x). Numbers mix freely with
vectors: `1 - z`, `0.5 * h`. A vector is a symbol: a step is traced once and computes nothing, so examples print what
would be computed.
"""

from carousel.equations.graph import Node, Operand, as_node, make, reduced, start
from carousel.equations.init import Init, checked
from carousel.errors import CarouselError


def affine(
    name: str,
    *vectors: Node,
    input: Init | None = None,
    recurrent: Init | None = None,
    bias: Init | None = None,
) -> Node:
    """A learned product W x + U h + b_ih + b_hh: one matrix for each of the `vectors`.

    W and b_ih belong to the input x, U and b_hh to the state. Two products may share a `name` if one reads x and the
    other does not, as in torch's GRU: `tanh(affine("n", x) + r * affine("n", h))`. The order of the calls is the order
    of the blocks in the packed parameters weight_ih, weight_hh, bias_ih and bias_hh.

    `input` sets the initial values of W, `recurrent` those of every other matrix, `bias` those of the sum of the two
    biases: a number, an initialiser of `carousel.equations.init`, or a function that fills a tensor. The default is
    torch.nn's, uniform in [-1/sqrt(H), 1/sqrt(H)].

    Raises CarouselError if the name is no identifier, or a vector is a number, a param or given twice.

    >>> from carousel.equations import Cell, affine
    >>> class Decay(Cell):
    ...     def step(self, x, h):
    ...         return 0.9 * h + affine("n", x)
    >>> Decay().equations.layout.shapes(input_size=3, hidden_size=5)
    {'weight_ih': (5, 3), 'bias_ih': (5,)}
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"affine needs a name first, as in affine('i', x, h); it got {name!r}.")
    if not vectors:
        raise CarouselError(f"affine({name!r}) needs at least one vector, as in affine({name!r}, x, h).")
    nodes = tuple(map(as_node, vectors))
    if any(node.operation in ("constant", "param") for node in nodes):
        raise CarouselError(
            f"affine({name!r}, ...) multiplies vectors of the step; a number has no direction to project, and a "
            "param is learned as it is."
        )
    if len(set(nodes)) < len(nodes):
        raise CarouselError(
            f"affine({name!r}, ...) names the same vector twice; one matrix for it is enough."
        )
    return start(
        make("affine", *nodes, name=name),
        input=checked(input, f"affine({name!r}, input=...)", is_matrix=True),
        recurrent=checked(recurrent, f"affine({name!r}, recurrent=...)", is_matrix=True),
        bias=checked(bias, f"affine({name!r}, bias=...)", is_matrix=False),
    )


def scale(name: str, vector: Node, init: Init | None = None) -> Node:
    """A learned diagonal: one weight per unit times `vector` (the classic peephole, Gers & Schmidhuber 2000).

    The weights are a row of the parameter `weight_peephole`. `init` sets their initial values, as in `affine`.
    Raises CarouselError if `name` is no identifier.

    >>> scale("f", param("c"), init=0)
    scale(f, param(c))
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"scale needs a name first, as in scale('i', c); it got {name!r}.")
    given = checked(init, f"scale({name!r}, init=...)", is_matrix=False)
    return start(make("scale", as_node(vector), name=name), init=given)


def param(name: str, init: Init | None = None) -> Node:
    """A free learned vector (H,), the parameter `{name}_l{k}` of layer k: a gain, an offset, a decay.

    `init` sets its initial values, as in `affine`. Raises CarouselError if `name` is no identifier.

    >>> 1 - param("decay", init=0.1)
    -(1.0, param(decay))
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"param needs a name first, as in param('gain', init=1); it got {name!r}.")
    return start(make("param", name=name), init=checked(init, f"param({name!r}, init=...)", is_matrix=False))


def sum(a: Operand) -> Node:
    """The sum of `a` over its units: one number for each sequence, which every unit may read.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> sum(2 * param("v"))
    *(2.0, sum(param(v)))
    """
    return reduced("sum", a)


def mean(a: Operand) -> Node:
    """The mean of `a` over its units: one number for each sequence, which every unit may read.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> param("v") - mean(param("v"))
    -(param(v), mean(param(v)))
    """
    return reduced("mean", a)


def layer_norm(a: Operand, eps: float = 1e-5) -> Node:
    """`a` with mean 0 and variance 1 over its units (Ba et al. 2016); `eps` is added to the variance.

    The gain and the offset are for the cell to add. Raises CarouselError if `a` is neither a vector nor a number.

    >>> from carousel.equations import Cell, affine, layer_norm, param, tanh
    >>> class Normalised(Cell):
    ...     def step(self, x, h):
    ...         n = layer_norm(affine("n", x, h))
    ...         return tanh(param("gain", init=1) * n + param("offset", init=0))
    >>> Normalised().equations.layout.names
    ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh', 'gain', 'offset')
    """
    centred = a - mean(a)
    return centred * (1 / sqrt(mean(centred * centred) + eps))


def sigmoid(a: Operand) -> Node:
    """1 / (1 + exp(-a)) of each unit of `a`: a gate between 0 and 1.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> sigmoid(param("v"))
    sigmoid(param(v))
    """
    return make("sigmoid", as_node(a))


def tanh(a: Operand) -> Node:
    """The hyperbolic tangent of each unit of `a`.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> tanh(param("v"))
    tanh(param(v))
    """
    return make("tanh", as_node(a))


def relu(a: Operand) -> Node:
    """max(a, 0) of each unit of `a`. The slope at 0 is 0, as in torch.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> relu(param("v"))
    relu(param(v))
    """
    return make("relu", as_node(a))


def elu(a: Operand) -> Node:
    """`a` where a > 0, exp(a) - 1 elsewhere (Clevert et al. 2015).

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> elu(param("v"))
    elu(param(v))
    """
    return make("elu", as_node(a))


def identity(a: Operand) -> Node:
    """`a` itself: the nonlinearity of a linear recurrence.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> identity(param("v"))
    param(v)
    """
    return as_node(a)


def exp(a: Operand) -> Node:
    """The exponential function of each unit of `a`.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> exp(param("v"))
    exp(param(v))
    """
    return make("exp", as_node(a))


def log(a: Operand) -> Node:
    """The natural logarithm of each unit of `a`.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> log(param("v"))
    log(param(v))
    """
    return make("log", as_node(a))


def sqrt(a: Operand) -> Node:
    """The square root of each unit of `a`.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> sqrt(param("v"))
    sqrt(param(v))
    """
    return make("sqrt", as_node(a))


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of `a` and `b`, unit by unit. Where they are equal, each gets half of the gradient, as in torch.

    Raises CarouselError if `a` or `b` is neither a vector nor a number.

    >>> maximum(param("v"), 0)
    maximum(param(v), 0.0)
    """
    return make("maximum", as_node(a), as_node(b))


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of `a` and `b`, unit by unit. Where they are equal, each gets half of the gradient, as in torch.

    Raises CarouselError if `a` or `b` is neither a vector nor a number.

    >>> minimum(param("v"), 1)
    minimum(param(v), 1.0)
    """
    return make("minimum", as_node(a), as_node(b))


def step(a: Operand) -> Node:
    """1 where `a` is above 0, else 0: the slope of relu. Its own gradient is 0.

    Raises CarouselError if `a` is neither a vector nor a number.

    >>> step(param("v"))
    step(param(v))
    """
    return make("step", as_node(a))


def above(a: Operand, b: Operand) -> Node:
    """1 where `a` > `b`, 1/2 where they are equal, else 0: the slope of maximum. Its own gradient is 0.

    Raises CarouselError if `a` or `b` is neither a vector nor a number.

    >>> above(param("v"), param("w"))
    above(param(v), param(w))
    """
    return make("above", as_node(a), as_node(b))


__all__ = [
    "above", "affine", "elu", "exp", "identity", "layer_norm", "log", "maximum", "mean", "minimum", "param", "relu",
    "scale", "sigmoid", "sqrt", "step", "sum", "tanh",
]  # fmt: skip
