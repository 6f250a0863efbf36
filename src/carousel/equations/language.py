"""The words a cell is written in: learned products, learned diagonals and elementwise functions.

Each takes and returns vectors of the hidden size (only `affine` may read the input x). Numbers mix freely with
vectors: `1 - z`, `0.5 * h`.
"""

from carousel.equations.graph import Node, Operand, as_node, make
from carousel.errors import CarouselError


def affine(name: str, *vectors: Node) -> Node:
    """A learned product W x + U h + b_ih + b_hh: one matrix for each vector.

    W and b_ih belong to the input x, U and b_hh to the state. A name may be used twice if the halves are apart, as
    in torch's GRU: `tanh(affine("n", x) + r * affine("n", h))`. The order of the calls is the order of the blocks
    in the packed parameters weight_ih, weight_hh, bias_ih and bias_hh.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"affine needs a name first, as in affine('i', x, h); it got {name!r}.")
    if not vectors:
        raise CarouselError(f"affine({name!r}) needs at least one vector, as in affine({name!r}, x, h).")
    nodes = tuple(map(as_node, vectors))
    if any(node.operation == "constant" for node in nodes):
        raise CarouselError(
            f"affine({name!r}, ...) multiplies vectors; a number has no direction to project."
        )
    if len(set(nodes)) < len(nodes):
        raise CarouselError(
            f"affine({name!r}, ...) names the same vector twice; one matrix for it is enough."
        )
    return make("affine", *nodes, name=name)


def scale(name: str, vector: Node) -> Node:
    """A learned diagonal: one weight per unit times `vector` (the classic peephole, Gers & Schmidhuber 2000)."""
    if not isinstance(name, str) or not name.isidentifier():
        raise CarouselError(f"scale needs a name first, as in scale('i', c); it got {name!r}.")
    return make("scale", as_node(vector), name=name)


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
    "above", "affine", "elu", "exp", "identity", "log", "maximum", "minimum", "relu", "scale", "sigmoid",
    "step", "tanh",
]  # fmt: skip
