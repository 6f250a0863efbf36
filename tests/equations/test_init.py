"""How learned numbers start: what a cell may say, and what it may not."""

import pytest

from carousel.equations import Cell, affine, init, param, scale, tanh
from carousel.errors import CarouselError


def own(block):
    """A function that fills a tensor."""


class Started(Cell):
    """Starts of every kind."""

    def step(self, x, h):
        a = affine("a", x, bias=1) + affine("a", h, recurrent=init.orthogonal())
        b = affine("b", x, h, input=own, bias=init.chrono(50))
        return param("u", init=init.uniform(0, 1)) * tanh(a) + scale("p", h, init=0.5) * b


def test_starts_are_kept_beside_the_graph():
    """Each product, diagonal and vector has its own starts, by the part of it that they are for."""
    starts = [(node.operation, node.name, given) for node, given in Started().equations.starts.items()]
    assert starts == [
        ("affine", "a", {"bias": init.constant(1)}),
        ("affine", "a", {"recurrent": init.orthogonal()}),
        ("affine", "b", {"input": own, "bias": init.chrono(50)}),
        ("param", "u", {"init": init.uniform(0, 1)}),
        ("scale", "p", {"init": init.constant(0.5)}),
    ]


def test_starts_are_no_mathematics():
    """Two cells that differ only in how they start share a kernel, and not their starts."""

    class Gain(Cell):
        def __init__(self, start):
            self.start = start

        def step(self, x, h):
            return param("gain", init=self.start) * affine("a", x, h)

    one, other = Gain(1).equations, Gain(2).equations
    assert one.key == other.key
    assert [list(each.starts.values()) for each in (one, other)] == [
        [{"init": init.ones()}],
        [{"init": init.constant(2)}],
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: init.uniform(1, 1), r"uniform\(low, high\) needs low < high; it got 1 and 1"),
        (lambda: init.normal(-1), "deviation of at least 0; it got -1"),
        (lambda: init.constant(float("nan")), "constant takes finite numbers; it got nan"),
        (lambda: init.constant("1"), "constant takes finite numbers; it got '1'"),
        (lambda: init.chrono(1.5), r"chrono\(longest\) needs more than 2 steps; it got 1.5"),
    ],
)
def test_refused(wrong, message):
    """Numbers that no distribution has are refused where they are written."""
    with pytest.raises(CarouselError, match=message):
        wrong()


def test_a_start_reads_as_it_is_written():
    """The repr is what one would write."""
    assert repr(init.uniform(0, 0.5)) == "init.uniform(0, 0.5)"
    assert repr(init.zeros()) == "init.constant(0)"
