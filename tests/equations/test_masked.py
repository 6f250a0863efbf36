"""A cell with a mask that stays."""

import doctest

import pytest
import torch
from ops.layers import random_layer
from tolerances import assert_close

from carousel.emit import reference
from carousel.emit.call import Call
from carousel.equations import masked as module
from carousel.equations.catalogue import CELLS
from carousel.equations.masked import Masked
from carousel.ops import kernels


def test_examples():
    """The example gives what it shows."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", CELLS)
def test_a_masked_cell_reads_a_masked_state_in_its_products(name):
    """A mask of ones changes nothing; zeros leave no recurrent product, as with a matrix of zeros."""
    plain, masked = CELLS[name].equations, Masked(CELLS[name]).equations
    assert masked.layout.rows == plain.layout.rows
    shapes = plain.layout.shapes(3, 5)
    parameters = {each: torch.randn(shape).double() for each, shape in shapes.items()}
    x, states = torch.randn(7, 2, 3).double(), [torch.randn(2, 5).double() for _ in plain.states]
    ones, zeros = torch.ones(2, 5).double(), torch.zeros(2, 5).double()
    output, final = reference.run(Call(masked, x, [*states, ones], parameters))
    assert_close(output, reference.run(Call(plain, x, states, parameters))[0])
    assert torch.equal(final[-1], ones)
    output, _ = reference.run(Call(masked, x, [*states, zeros], parameters))
    parameters["weight_hh"].zero_()
    assert_close(output, reference.run(Call(plain, x, states, parameters))[0])


def test_a_masked_cell_has_a_kernel():
    """What is compiled for it gives the results and the gradients of its equations."""
    equations = Masked(CELLS["lstm"]).equations
    assert kernels.has_kernel(equations)
    for reverse in (False, True):
        layer = random_layer(equations, 6, 3, 4, 21, reverse=reverse)
        assert_close(layer.results(compiled=True), layer.results(compiled=False), name=f"reverse={reverse}")
