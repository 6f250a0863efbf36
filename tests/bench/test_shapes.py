"""The operations that a speed is counted in."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.shapes import SHAPES, Shape, flops, parse_shape


def test_known_counts():
    """Counts written out by hand for three shapes: one multiply-add is two operations."""
    assert flops(Shape(1, 1, 1), gates=1, backward=False) == 4
    assert flops(SHAPES["a"], gates=4, backward=True) == 6 * 1000 * 4 * 64 * 128 == 196_608_000
    assert flops(SHAPES["f"], gates=3, backward=True) == 60_397_977_600


@pytest.mark.parametrize("backward", [False, True])
def test_torch_counts_the_same(backward):
    """torch counts as many in the products of an RNN cell over T steps, with the gradient of x and of h_0."""
    time, batch, hidden = shape = Shape(5, 3, 8)
    cell = torch.nn.RNNCell(hidden, hidden)
    x, h = (torch.zeros(*size, requires_grad=True) for size in ((time, batch, hidden), (batch, hidden)))
    with FlopCounterMode(display=False) as counter:
        for step in x:
            h = cell(step, h)
        if backward:
            h.sum().backward()
    assert counter.get_total_flops() == flops(shape, gates=1, backward=backward)


def test_parse():
    """A shape is a letter or three whole numbers; anything else is refused with an example."""
    assert parse_shape("d") == (100, 32, 256)
    assert parse_shape("7,2,5") == Shape(7, 2, 5)
    for wrong in ("g", "7,2", "7,0,5", "7,2,x"):
        with pytest.raises(ValueError, match=r"one of a, b, .* --shapes 100,16,128"):
            parse_shape(wrong)
