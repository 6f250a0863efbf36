"""The formulas that the pages print: of the cells that Carousel ships, and of models that are not recurrent.

A deep network, a divergence, a TDNN and word vectors are written as cells too, so that their gradients are derived.
Their inputs stand in the place of a cell's previous states. Tests compare each of them with the code that runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from carousel.emit import formula
from carousel.equations import Cell, affine, elu, exp, log, relu, sigmoid, sum, tanh
from carousel.equations.catalogue import CELLS
from carousel.equations.graph import Node

NONLINEARITIES = {"ELU": elu, "ReLU": relu, "sigmoid": sigmoid, "tanh": tanh}


def cell_formulas(names: Mapping[str, str]) -> dict[str, str]:
    """The formulas of shipped cells under the headings of a page: {heading: name in the catalogue}."""
    return {heading: formula.text(CELLS[name].equations) for heading, name in names.items()}


def static_formula(cell: Cell, backward: bool = False, weights: bool = True) -> str:
    """The formula of one step without indices of time, and with `backward` the derived gradients.

    A state that the step leaves as it is has no line. Without `weights` the gradients of parameters have none.
    """
    passes = [formula.forward_lines(cell.equations)]
    if backward:
        passes.append([line for line in formula.backward_lines(cell.equations) if weights or "Σ" not in line])
    return "\n\n".join(map(_block, passes))


def _block(lines: list[str]) -> str:
    pairs = [_drop_time(line).split(" = ") for line in lines]
    shown = [(left, right) for left, right in pairs if left != right]
    width = max(len(left) for left, _ in shown)
    return "\n".join(f"{left:>{width}} = {right}" for left, right in shown)


def _drop_time(line: str) -> str:
    """`h_t = tanh(U_h h_{t-1})` -> `h = tanh(U_h h)`; a gradient loses the term from the next step."""
    line = re.sub(r"(?<= )∂\w+_\{t\+1\} (?:\+ |(−) )", r"\1", line)
    return re.sub(r"_\{t[-+]1\}|_t(?![a-z0-9])", "", line)


class ThreeLayers(Cell):
    """Three layers of a deep network, from the input y0 to the output y3."""

    states = ("y3", "y0")

    def __init__(self, nonlinearity: str) -> None:
        self.nonlinearity = NONLINEARITIES[nonlinearity]

    def step(self, x: Node, y3: Node, y0: Node) -> tuple[Node, Node]:
        y1 = self.nonlinearity(affine("a", y0))
        y2 = self.nonlinearity(affine("b", y1))
        y3 = self.nonlinearity(affine("c", y2))
        return y3, y0


class WeightedKL(Cell):
    """w Div(d, Y) with Div = KL and Y = softmax(a): the term that one step adds to the loss."""

    states = ("Div", "a", "d", "w")

    def step(self, x: Node, Div: Node, a: Node, d: Node, w: Node) -> tuple[Node, Node, Node, Node]:
        Div = w * sum(d * (log(d) - a + log(sum(exp(a)))))
        return Div, a, d, w


class TDNN(Cell):
    """The next word from the last four: a projection of each, one hidden layer, a score for every word.

    x is a one-hot word. The projections of earlier words are states that move on by one word a step.
    """

    states = ("z", "p1", "p2", "p3")

    def step(self, x: Node, z: Node, p1: Node, p2: Node, p3: Node) -> tuple[Node, Node, Node, Node]:
        p = affine("P", x)
        h = tanh(affine("k", p) + affine("h", p1, p2, p3))
        z = affine("z", h)
        return z, p, p1, p2


class SkipGram(Cell):
    """The vector v of a word scores the output vectors u of a word beside it and n of a negative sample."""

    states = ("Div", "v", "u", "n")

    def step(self, x: Node, Div: Node, v: Node, u: Node, n: Node) -> tuple[Node, Node, Node, Node]:
        Div = -log(sigmoid(sum(u * v))) - log(1 - sigmoid(sum(n * v)))
        return Div, v, u, n


class CBOW(Cell):
    """The mean of the vectors v1 ... v4 of the words around scores a word, u, and a negative sample, n."""

    states = ("Div", "u", "n", "v1", "v2", "v3", "v4")

    def step(self, x: Node, Div: Node, u: Node, n: Node, *around: Node) -> tuple[Node, ...]:
        v1, v2, v3, v4 = around
        v = (v1 + v2 + v3 + v4) / 4
        Div = -log(sigmoid(sum(u * v))) - log(1 - sigmoid(sum(n * v)))
        return Div, u, n, *around
