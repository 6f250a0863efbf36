"""A mistake in a cell is told with the name of its class and the line of its author's code."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import carousel
from carousel.equations import Cell, affine, init, layer_norm, mean, param, scale, sigmoid, tanh
from carousel.errors import CarouselError

SOURCE = Path(__file__).read_text().splitlines()


class Base(Cell):
    states = ("h", "c")


class UndefinedName(Base):
    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h))
        c = c + i * tanhh(affine("g", x, h))  # noqa: F821 UndefinedName
        return c, c


class UndefinedAttribute(Base):
    def step(self, x, h, c):
        return self.gate * h, c  # UndefinedAttribute


class InAHelper(Base):
    def gate(self, x, h):
        return sigmod(affine("i", x, h))  # noqa: F821 InAHelper

    def step(self, x, h, c):
        return self.gate(x, h), c


class TorchFunction(Base):
    def step(self, x, h, c):
        h = torch.tanh(affine("h", x, h))  # TorchFunction
        return h, c


class TorchFunctional(Base):
    def step(self, x, h, c):
        return F.softplus(affine("h", x, h)), c  # TorchFunctional


class MathFunction(Base):
    def step(self, x, h, c):
        return math.exp(h), c  # MathFunction


class NumPyFunction(Base):
    def step(self, x, h, c):
        return np.tanh(h), c  # NumPyFunction


class Method(Base):
    def step(self, x, h, c):
        return h.sigmoid(), c  # Method


class MatrixProduct(Base):
    def step(self, x, h, c):
        return h @ c, c  # MatrixProduct


class Comparison(Base):
    def step(self, x, h, c):
        return (h if h > 0 else c), c  # Comparison


class Branch(Base):
    def step(self, x, h, c):
        return (h or c), c  # Branch


class NoName(Base):
    def step(self, x, h, c):
        return tanh(affine(x, h)), c  # NoName


class Text(Base):
    def step(self, x, h, c):
        return h * "c", c  # Text


class StateNotReturned(Base):
    def step(self, x, h, c):
        c = c + tanh(affine("g", x, h))
        h = tanh(c)
        return h  # StateNotReturned


class NothingReturned(Base):
    def step(self, x, h, c):
        c = c + tanh(affine("g", x, h))  # NothingReturned


class TooMany(Base):
    def step(self, x, h, c):
        return h, c, c  # TooMany


class TooFewParameters(Base):
    def step(self, x, h):  # TooFewParameters
        return h, h


class BareInput(Base):
    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h))
        c = c + i * x  # BareInput
        return tanh(c), c


class InputReturned(Base):
    def step(self, x, h, c):
        return x, c  # InputReturned


class TwiceOneProduct(Base):
    def step(self, x, h, c):
        i = sigmoid(affine("a", x, h))
        c = c + i * tanh(affine("b", x, h))
        o = sigmoid(affine("a", x, c))  # TwiceOneProduct
        return o * c, c


class TwiceOneDiagonal(Base):
    def step(self, x, h, c):
        h = tanh(affine("a", x, h) + scale("p", c))
        return h, c + scale("p", h)  # TwiceOneDiagonal


class ParamWithoutName(Base):
    def step(self, x, h, c):
        return param(1.0) * h, c  # ParamWithoutName


class ParamInAProduct(Base):
    def step(self, x, h, c):
        return affine("a", x, param("u")), c  # ParamInAProduct


class ParamTwoStarts(Base):
    def step(self, x, h, c):
        c = param("u", init=1) * c
        return param("u", init=2) * h, c  # ParamTwoStarts


class ParamNamedAsAMatrix(Base):
    def step(self, x, h, c):
        c = affine("i", x, h) + c
        return param("weight_hh") * h, c  # ParamNamedAsAMatrix


class MatrixForAVector(Base):
    def step(self, x, h, c):
        return affine("i", x, h, bias=init.orthogonal()), c  # MatrixForAVector


class StartOfText(Base):
    def step(self, x, h, c):
        return scale("i", h, init="ones"), c  # StartOfText


class ShortChrono(Base):
    def step(self, x, h, c):
        return affine("i", x, h, bias=init.chrono(2)), c  # ShortChrono


class SumOfInput(Base):
    def step(self, x, h, c):
        return mean(x) * h, c  # SumOfInput


class BuiltInSum(Base):
    def step(self, x, h, c):
        return sum(h) * h, c  # BuiltInSum


class NormOfText(Base):
    def step(self, x, h, c):
        return layer_norm("h"), c  # NormOfText


WORDS = "the words of carousel.equations: above, affine"
MISTAKES = [
    (UndefinedName, "NameError: name 'tanhh' is not defined"),
    (UndefinedAttribute, "'UndefinedAttribute' object has no attribute 'gate'"),
    (InAHelper, "NameError: name 'sigmod' is not defined"),
    (TorchFunction, WORDS),
    (TorchFunctional, WORDS),
    (MathFunction, WORDS),
    (NumPyFunction, WORDS),
    (Method, WORDS),
    (MatrixProduct, WORDS),
    (Comparison, WORDS),
    (Branch, "it cannot branch on a vector's value"),
    (NoName, "affine needs a name first"),
    (Text, "it met 'c' of type str"),
    (StateNotReturned, "must return one vector for each of its states (h, c); it returned tanh("),
    (NothingReturned, "must return one vector for each of its states (h, c); it returned None"),
    (TooMany, "it returned (state(h), state(c), state(c)), 3 values"),
    (TooFewParameters, "It is called with x and one vector for each of its states: step(self, x, h, c)"),
    (BareInput, "uses x outside affine"),
    (InputReturned, "uses x outside affine"),
    (TwiceOneProduct, "'a' has two blocks in weight_ih"),
    (TwiceOneDiagonal, "'p' has two blocks in weight_peephole"),
    (ParamWithoutName, "param needs a name first"),
    (ParamInAProduct, "a param is learned as it is"),
    (
        ParamTwoStarts,
        "param('u', ...) must have one init, because it is one parameter; it has init.constant(1) and init.constant(2)",
    ),
    (
        ParamNamedAsAMatrix,
        "param('weight_hh') has the name of packed weights of this cell (weight_ih, weight_hh,",
    ),
    (
        MatrixForAVector,
        "affine('i', bias=...) must be an initialiser of a vector; init.orthogonal(1) is for matrices",
    ),
    (StartOfText, "scale('i', init=...) must be a number, one of carousel.equations.init, or a function"),
    (ShortChrono, "init.chrono(longest) needs more than 2 steps; it got 2"),
    (SumOfInput, "uses x outside affine"),
    (BuiltInSum, "'Node' object is not iterable"),
    (NormOfText, "it met 'h' of type str"),
]


@pytest.mark.parametrize(("cell", "message"), MISTAKES, ids=[cell.__name__ for cell, _ in MISTAKES])
def test_the_line_is_named(cell, message):
    """Class, rule, file, line and the line itself stand in the error that the module raises."""
    with pytest.raises(CarouselError) as caught:
        carousel.Recurrent(cell, 3, 5)
    text = str(caught.value)
    [line] = [
        n
        for n, source in enumerate(SOURCE, 1)
        if source.endswith((f"# {cell.__name__}", f" {cell.__name__}"))
    ]
    assert text.startswith(f"{cell.__name__}.step")
    assert message in text
    assert f'\n  File "{__file__}", line {line}, in ' in text
    assert text.endswith(f"\n    {SOURCE[line - 1].strip()}")
    assert len(text) < 800


def test_the_cause_is_kept():
    """Python's own error, with its traceback, is the cause."""
    with pytest.raises(CarouselError) as caught:
        UndefinedName().equations  # noqa: B018
    assert isinstance(caught.value.__cause__, NameError)


def test_other_errors_pass():
    """What the author raises stays what it is, with a note of where."""

    class Own(Cell):
        def step(self, x, h):
            raise KeyError("my own")

    with pytest.raises(KeyError, match="my own") as caught:
        Own().equations  # noqa: B018
    [note] = caught.value.__notes__
    assert note.startswith("Own.step failed while it was traced.\n")
    assert note.endswith('raise KeyError("my own")')


def test_a_step_without_a_file():
    """Of code typed in at a prompt the line number is told, without its text."""
    scope = {"Cell": Cell, "affine": affine}
    exec(
        compile("class Typed(Cell):\n  def step(self, x, h):\n    return tanh(h)\n", "<stdin>", "exec"), scope
    )
    with pytest.raises(
        CarouselError, match=r'Typed\.step: NameError.*\n  File "<stdin>", line 3, in Typed\.step$'
    ):
        scope["Typed"]().equations  # noqa: B018


def test_a_wrapped_step():
    """A step whose code is hidden from Python is told by the name of its class alone."""

    class Wrapped(Cell):
        step = property(lambda self: lambda x, h: missing)  # noqa: F821

    with pytest.raises(CarouselError, match=r"^Wrapped\.step: NameError: name 'missing' is not defined"):
        Wrapped().equations  # noqa: B018


def test_a_list_of_states():
    """A list of new states serves as well as a tuple."""

    class Listed(Base):
        def step(self, x, h, c):
            return [tanh(affine("h", x, c)), h]

    assert list(Listed().equations.names.values()) == ["h"]
