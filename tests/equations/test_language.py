"""The words of a cell: what they make, and what they refuse."""

import math

import numpy as np
import pytest
import torch

from carousel import equations
from carousel.equations import (
    affine,
    exp,
    identity,
    layer_norm,
    maximum,
    mean,
    param,
    scale,
    sigmoid,
    sum,
    tanh,
)
from carousel.equations.graph import Node, constant, make, negate
from carousel.errors import CarouselError

x = make("input", name="x")
h, g = make("state", name="h"), make("state", name="g")


def test_operators():
    """Vectors and numbers mix, on either side."""
    made = {
        "+": (h + g, 2 + h, h + 2),
        "-": (h - g, 2 - h, h - 2),
        "*": (h * g, 2 * h, h * 2),
        "/": (h / g, 2 / h, h / 2),
        "neg": (-h, 0 - h, h * -1),
    }
    for operation, nodes in made.items():
        assert [node.operation for node in nodes] == [operation] * 3
    assert (2 - h).operands == (constant(2), h)
    assert (h - 2).operands == (h, constant(2))


@pytest.mark.parametrize("number", [np.float16(0.5), np.float32(0.5), np.float64(0.5), np.int64(3)], ids=repr)
def test_numbers_of_numpy(number):
    """They are numbers like Python's, on either side."""
    plain = float(number)
    assert (number * h, h * number, number - h) == (plain * h, h * plain, plain - h)
    assert (h / number, maximum(h, number), number / h) == (h / plain, maximum(h, plain), plain / h)


@pytest.mark.parametrize("make", [lambda array: array * h, lambda array: h * array, lambda array: array - h])
def test_arrays_are_refused(make):
    """An array is neither a vector of the step nor a number; the error says what is."""
    with pytest.raises(CarouselError, match=r"vectors and numbers; it met array\(.*of type ndarray"):
        make(np.ones(3, np.float32))


@pytest.mark.parametrize(
    "word", ["sigmoid", "tanh", "relu", "elu", "exp", "log", "sqrt", "maximum", "minimum", "step", "above"]
)
def test_functions(word):
    """Each function makes the operation of its name, of vectors or of numbers."""
    arguments = (h, 0.5) if word in ("maximum", "minimum", "above") else (h,)
    node = getattr(equations, word)(*arguments)
    assert node.operation == word
    assert node.operands == (h, constant(0.5))[: len(arguments)]


def test_identity_is_the_vector_itself():
    """identity makes no node; of a number it makes a vector that every unit shares."""
    assert identity(h) is h
    assert identity(2) is constant(2)


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        (lambda: h + 0, h),
        (lambda: 0 + h, h),
        (lambda: h - 0, h),
        (lambda: h * 1, h),
        (lambda: 1.0 * h, h),
        (lambda: h / 1, h),
        (lambda: -negate(h), h),
        (lambda: h * 0, constant(0)),
        (lambda: constant(2) + 3, constant(5)),
        (lambda: 2 - constant(3), constant(-1)),
        (lambda: constant(2) * 3, constant(6)),
        (lambda: 3 / constant(2), constant(1.5)),
        (lambda: -constant(2), constant(-2)),
        (lambda: h + (-g), h - g),
        (lambda: (-h) * g, -(h * g)),
        (lambda: h * (-g), -(h * g)),
        (lambda: (-h) * (-g), h * g),
    ],
)
def test_folding(folded, expected):
    """Numbers are computed at once, and what adds zero or multiplies by one leaves no trace."""
    assert folded() is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (lambda: mean(3.0), constant(3)),
        (lambda: mean(mean(h)), mean(h)),
        (lambda: mean(h * mean(g)), mean(h) * mean(g)),
        (lambda: sum(2 * h), 2 * sum(h)),
        (lambda: sum(-h), -sum(h)),
        (lambda: mean(h / sum(g)), mean(h) / sum(g)),
        (lambda: mean(h - mean(h)), constant(0)),
        (lambda: mean(h * sum(g) + g), mean(h) * sum(g) + mean(g)),
    ],
)
def test_what_units_share_leaves_the_sum(word, expected):
    """A factor that all units share stands before a sum over units, and a mean is its own mean."""
    assert word() is expected


def test_what_units_share():
    """Sums over units and what is made of them are one number; learned vectors and what they touch are not."""
    assert all(node.is_uniform for node in (mean(h), sum(h * g), tanh(mean(h)) / (1 + sum(g)), constant(1)))
    assert not any(
        node.is_uniform for node in (h, mean(h) * g, param("u"), scale("p", mean(h)), layer_norm(h))
    )


def test_same_expression_same_node():
    """Written twice, computed once; other operands, other order or another name make another node."""
    assert sigmoid(h * g) is sigmoid(h * g)
    assert affine("a", x, h) is affine("a", x, h)
    assert h * g is not g * h
    assert affine("a", x, h) is not affine("b", x, h)
    assert affine("a", x, h) is not affine("a", h, x)
    assert scale("a", h) is not scale("b", h)
    assert maximum(h, 1) is maximum(h, 1.0)


def test_forgotten_nodes_do_not_come_back():
    """A node that nobody holds is dropped, and its place in memory is never mistaken for it."""
    for number in range(200):
        node = tanh(h * (number + 0.5)) + exp(g)
        [product] = node.operands[0].operands
        assert product.operands == (h, constant(number + 0.5))


def test_a_node_shows_its_expression():
    """The repr reads like the mathematics it stands for."""
    assert repr(tanh(affine("a", x, h)) * 2) == "*(tanh(affine(a, input(x), state(h))), 2.0)"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: affine(h, x), r"affine needs a name first, as in affine\('i', x, h\); it got state\(h\)"),
        (lambda: affine("two words", x), r"affine needs a name first.*it got 'two words'"),
        (lambda: affine("a"), r"affine\('a'\) needs at least one vector, as in"),
        (lambda: affine("a", x, 1), r"affine\('a', ...\) multiplies vectors of the step; a number"),
        (lambda: affine("a", h, h), r"affine\('a', ...\) names the same vector twice; one matrix"),
        (lambda: scale(h, h), r"scale needs a name first, as in scale\('i', c\); it got state\(h\)"),
        (lambda: h / 0, r"divides by the constant 0; the divisor must be"),
        (lambda: 1 if h > 0 else 2, "'>' not supported"),
        (lambda: 1 if h else 2, r"traced once, on symbols.*Use maximum, minimum, relu or a gate"),
        (lambda: h and g, r"cannot branch on a vector's value"),
        (lambda: h + "g", r"computes with vectors and numbers; it met 'g' of type str. Use the functions of"),
        (lambda: h * True, r"it met True of type bool"),
        (lambda: tanh(None), r"it met None of type NoneType"),
        (lambda: torch.tanh(h), "tanh"),
        (lambda: math.exp(h), "must be real number"),
    ],
)
def test_refused(wrong, message):
    """What is no mathematics of vectors is refused with the rule, what came and what to write instead."""
    with pytest.raises((CarouselError, TypeError), match=message):
        wrong()


def test_tensors_are_refused():
    """A tensor among the vectors is refused: the step knows no data."""
    with pytest.raises(CarouselError, match=r"of type Tensor. Use the functions of carousel.equations"):
        h * torch.ones(3)


def test_vectors_are_hashable_and_immutable():
    """Nodes are keys of dictionaries everywhere, so nothing may change them."""
    assert {h: 1}[make("state", name="h")] == 1
    with pytest.raises(AttributeError):
        h.name = "g"
    assert isinstance(h, Node)
