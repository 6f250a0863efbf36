"""The words a cell is written in: learned products, diagonals and vectors, elementwise functions, sums over units.

Each takes and returns vectors of the hidden size (only `affine` may read the input x). Numbers mix freely with
vectors: `1 - z`, `0.5 * h`.
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
    """A learned product W x + U h + b_ih + b_hh: one matrix for each vector.

    `input` says how W starts, `recurrent` how every other matrix does, `bias` how the sum of the two biases does:
    a number, one of `carousel.equations.init`, or a function that fills a tensor. What is not said starts as in
    torch.nn, uniform in [-1/sqrt(H), 1/sqrt(H)].

    W and b_ih belong to the input x, U and b_hh to the state. A name may be used twice if the halves are apart, as
    in torch's GRU: `tanh(affine("n", x) + r * affine("n", h))`. The order of the calls is the order of the blocks
    in the packed parameters weight_ih, weight_hh, bias_ih and bias_hh.
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

    `init` says how it starts, as in `affine`.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"scale needs a name first, as in scale('i', c); it got {name!r}.")
    given = checked(init, f"scale({name!r}, init=...)", is_matrix=False)
    return start(make("scale", as_node(vector), name=name), init=given)


def param(name: str, init: Init | None = None) -> Node:
    """A free learned vector (H,), the parameter `{name}_l{k}` of layer k: a gain, an offset, a decay.

    `init` says how it starts, as in `affine`: `param("gain", init=1)`.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"param needs a name first, as in param('gain', init=1); it got {name!r}.")
    return start(make("param", name=name), init=checked(init, f"param({name!r}, init=...)", is_matrix=False))


def sum(a: Operand) -> Node:
    """The sum over the units of a vector: one number for each sequence, which every unit may read."""
    return reduced("sum", a)


def mean(a: Operand) -> Node:
    """The mean over the units of a vector: one number for each sequence, which every unit may read."""
    return reduced("mean", a)


def layer_norm(a: Operand, eps: float = 1e-5) -> Node:
    """Mean 0 and variance 1 over the units (Ba et al. 2016); gain and offset are for the cell to add.

    `param("gain", init=1) * layer_norm(a) + param("offset", init=0)`
    """
    centred = a - mean(a)
    return centred * (1 / sqrt(mean(centred * centred) + eps))


def sigmoid(a: Operand) -> Node:
    """1 / (1 + exp(-a))"""
    return make("sigmoid", as_node(a))


def tanh(a: Operand) -> Node:
    return make("tanh", as_node(a))


def relu(a: Operand) -> Node:
    """max(a, 0), with slope 0 at 0 as in torch"""
    return make("relu", as_node(a))


def elu(a: Operand) -> Node:
    """a where a > 0, exp(a) - 1 elsewhere (Clevert et al. 2015)"""
    return make("elu", as_node(a))


def identity(a: Operand) -> Node:
    return as_node(a)


def exp(a: Operand) -> Node:
    return make("exp", as_node(a))


def log(a: Operand) -> Node:
    return make("log", as_node(a))


def sqrt(a: Operand) -> Node:
    return make("sqrt", as_node(a))


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of the two, unit by unit; where they are equal each gets half of the gradient, as in torch."""
    return make("maximum", as_node(a), as_node(b))


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of the two, unit by unit; where they are equal each gets half of the gradient, as in torch."""
    return make("minimum", as_node(a), as_node(b))


def step(a: Operand) -> Node:
    """1 where a > 0, else 0: the slope of relu."""
    return make("step", as_node(a))


def above(a: Operand, b: Operand) -> Node:
    """1 where a > b, 1/2 where a = b, 0 where a < b: the slope of maximum."""
    return make("above", as_node(a), as_node(b))


__all__ = [
    "above", "affine", "elu", "exp", "identity", "layer_norm", "log", "maximum", "mean", "minimum", "param", "relu",
    "scale", "sigmoid", "sqrt", "step", "sum", "tanh",
]  # fmt: skip
