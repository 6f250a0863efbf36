"""The packed parameters: torch.nn's names, order and shapes, and ours beside them."""

import pytest
import torch
from torch import nn

from carousel.equations import Cell, affine, param, scale, sigmoid
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError


def rows(cell: Cell) -> dict[str, list[str]]:
    return cell.equations.layout.rows


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("cell", "module"), [("rnn-tanh", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_as_torch(cell, module, bias):
    """Names, order and shapes are those of torch.nn."""
    theirs = {
        name.removesuffix("_l0"): tuple(p.shape) for name, p in module(3, 5, bias=bias).named_parameters()
    }
    ours = CELLS[cell].equations.layout.shapes(3, 5, bias)
    assert list(ours.items()) == list(theirs.items())


@pytest.mark.parametrize(
    ("cell", "order"), [("rnn-tanh", "h"), ("lstm", "ifgo"), ("gru", "rzn"), ("gru-before", "rzn")]
)
def test_order_of_blocks(cell, order):
    """The blocks stand in torch's order of gates."""
    for parameter, names in rows(CELLS[cell]).items():
        assert names == list(order), parameter


def test_free_vectors():
    """A param is a vector (H,) by its own name, after torch's parameters; used twice it is one."""

    class Free(Cell):
        def step(self, x, h):
            return param("gain") * affine("a", x, h) + param("bias_of_mine") * scale("p", param("gain"))

    layout = Free().equations.layout
    assert list(layout.shapes(3, 5)) == [
        "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_peephole", "gain", "bias_of_mine",
    ]  # fmt: skip
    assert layout.shapes(3, 5)["gain"] == (5,)
    assert "bias_of_mine" in layout.shapes(3, 5, bias=False)


def test_peepholes():
    """Diagonal peepholes are rows i, f, o of one matrix (3, H); full ones are blocks i, f, o of weight_ch (3H, H)."""
    diagonal, full = CELLS["lstm-diagonal"].equations.layout, CELLS["lstm-full"].equations.layout
    assert diagonal.rows["weight_peephole"] == full.rows["weight_ch"] == ["i", "f", "o"]
    assert diagonal.shapes(3, 5)["weight_peephole"] == (3, 5)
    assert full.shapes(3, 5)["weight_ch"] == (15, 5)
    assert list(diagonal.shapes(3, 5))[-1] == "weight_peephole"
    assert list(full.shapes(3, 5))[-1] == "weight_ch"


def test_reset_before_has_the_parameters_of_reset_after():
    """A state dict moves between the two GRUs."""
    shapes = [CELLS[name].equations.layout.shapes(3, 5) for name in ("gru", "gru-before")]
    assert list(shapes[0].items()) == list(shapes[1].items())


def test_each_vector_has_its_matrix():
    """x, each state, old or new, and what is no state: W_ih, W_hh, W_ch, and the first state's again."""

    class Mixed(Cell):
        states = ("h", "c")

        def step(self, x, h, c):
            gate = sigmoid(affine("a", x, h, c))
            c = affine("b", gate * h, c)
            h = affine("d", c)
            return h, c

    layout = Mixed().equations.layout
    assert layout.rows == {
        "weight_ih": ["a"],
        "weight_hh": ["a", "b"],
        "weight_ch": ["a", "b", "d"],
        "bias_ih": ["a"],
        "bias_hh": ["a", "b", "d"],
    }
    blocks = {
        affine.name: [(b.parameter, b.row) for b in layout.weights[affine]] for affine in layout.weights
    }
    assert blocks["b"] == [("weight_hh", 1), ("weight_ch", 1)]
    assert layout.shapes(3, 5) == {
        "weight_ih": (5, 3), "weight_hh": (10, 5), "bias_ih": (5,), "bias_hh": (15,), "weight_ch": (15, 5),
    }  # fmt: skip


def test_two_biases():
    """A product that reads x and a state has a bias on both sides, as in torch; one of two halves has its own."""
    layout = CELLS["gru"].equations.layout
    sides = [
        [block.parameter for block in layout.biases[affine]] for affine in CELLS["gru"].equations.affines
    ]
    assert sides == [["bias_ih", "bias_hh"], ["bias_ih", "bias_hh"], ["bias_ih"], ["bias_hh"]]


@pytest.mark.parametrize(
    "step",
    [
        lambda self, x, h: affine("a", h) * affine("a", x, h),
        lambda self, x, h: affine("a", h) + affine("a", h * h),
        lambda self, x, h: scale("a", h) + scale("a", h * h),
    ],
)
def test_one_matrix_for_each_name(step):
    """A name that would need two matrices from the same source is refused, with what to do."""
    cell = type("MyCell", (Cell,), {"step": step})()
    with pytest.raises(
        CarouselError, match=r"'a' has two blocks in weight_\w+.*Give the second product another name"
    ):
        cell.equations.layout  # noqa: B018


def test_a_vector_read_twice_is_one_product():
    """The same affine written twice is one block."""

    class Twice(Cell):
        def step(self, x, h):
            return sigmoid(affine("a", x, h)) * affine("a", x, h)

    assert rows(Twice())["weight_ih"] == ["a"]
    assert torch.Size(Twice().equations.layout.shapes(3, 5)["weight_hh"]) == (5, 5)
