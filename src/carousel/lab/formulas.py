"""Formulas of the lecture that are no recurrences, written in the language of cells, which derives their gradients.

A deep net, a divergence, a model of the past N words and word vectors are steps too: what a cell calls the state
before is here what comes in. The tests hold each of them against the code that the experiments run.
"""

from __future__ import annotations

import re

from carousel.emit import formula
from carousel.equations import Cell, affine, elu, exp, log, relu, sigmoid, sum, tanh
from carousel.equations.graph import Node

NONLINEARITIES = {"ELU": elu, "ReLU": relu, "sigmoid": sigmoid, "tanh": tanh}


def written(cell: Cell, backward: bool = False, weights: bool = True) -> str:
    """The formula of one step, and with `backward` the derived gradients, without indices of time: there is none here.

    What a step hands on as it is has no line; without `weights` nor have the gradients of learned numbers.
    """
    passes = [formula.forward_lines(cell.equations)]
    if backward:
        passes.append([line for line in formula.backward_lines(cell.equations) if weights or "Σ" not in line])
    return "\n\n".join(map(_block, passes))


def _block(lines: list[str]) -> str:
    pairs = [timeless(line).split(" = ") for line in lines]
    shown = [(left, right) for left, right in pairs if left != right]
    width = max(len(left) for left, _ in shown)
    return "\n".join(f"{left:>{width}} = {right}" for left, right in shown)


def timeless(line: str) -> str:
    """`h_t = tanh(U_h h_{t-1})` -> `h = tanh(U_h h)`; a gradient is without what the next step would send."""
    line = re.sub(r"(?<= )∂\w+_\{t\+1\} (?:\+ |(−) )", r"\1", line)
    return re.sub(r"_\{t[-+]1\}|_t(?![a-z0-9])", "", line)


class Layers(Cell):
    """Three layers of a deep net, from what comes in, y0, to what goes out, y3."""

    states = ("y3", "y0")

    def __init__(self, nonlinearity: str) -> None:
        self.nonlinearity = NONLINEARITIES[nonlinearity]

    def step(self, x: Node, y3: Node, y0: Node) -> tuple[Node, Node]:
        y1 = self.nonlinearity(affine("a", y0))
        y2 = self.nonlinearity(affine("b", y1))
        y3 = self.nonlinearity(affine("c", y2))
        return y3, y0


class WeightedKL(Cell):
    """w Div(d, Y) with Div = KL and Y = softmax(a): what one step adds to the loss."""

    states = ("Div", "a", "d", "w")

    def step(self, x: Node, Div: Node, a: Node, d: Node, w: Node) -> tuple[Node, Node, Node, Node]:
        Div = w * sum(d * (log(d) - a + log(sum(exp(a)))))
        return Div, a, d, w


class TDNN(Cell):
    """The next word from the last four: a projection of each, one hidden layer, a score for every word.

    What was read is a state that moves on by one word a step; x is a word, one-hot.
    """

    states = ("z", "p1", "p2", "p3")

    def step(self, x: Node, z: Node, p1: Node, p2: Node, p3: Node) -> tuple[Node, Node, Node, Node]:
        p = affine("P", x)
        h = tanh(affine("k", p) + affine("h", p1, p2, p3))
        z = affine("z", h)
        return z, p, p1, p2


class SkipGram(Cell):
    """The vector v of a word, the output vectors u of a word beside it and n of a word drawn at random."""

    states = ("Div", "v", "u", "n")

    def step(self, x: Node, Div: Node, v: Node, u: Node, n: Node) -> tuple[Node, Node, Node, Node]:
        Div = -log(sigmoid(sum(u * v))) - log(1 - sigmoid(sum(n * v)))
        return Div, v, u, n


class Bag(Cell):
    """CBOW: the mean of the vectors v1 ... v4 of the words around it scores a word, u, and one drawn at random, n."""

    states = ("Div", "u", "n", "v1", "v2", "v3", "v4")

    def step(self, x: Node, Div: Node, u: Node, n: Node, *around: Node) -> tuple[Node, ...]:
        v1, v2, v3, v4 = around
        v = (v1 + v2 + v3 + v4) / 4
        Div = -log(sigmoid(sum(u * v))) - log(1 - sigmoid(sum(n * v)))
        return Div, u, n, *around
