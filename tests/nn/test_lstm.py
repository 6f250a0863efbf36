"""LSTM with peepholes: beside ONNX Runtime, and the two kinds beside each other."""

import pytest
import torch
from onnx_witness import run_onnx
from tolerances import assert_close

import carousel
from carousel import CarouselError


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("peephole", ["none", "diagonal"])
def test_onnx(peephole, bidirectional):
    """ONNX Runtime's LSTM, with and without its peephole input P, gives the same outputs and final states."""
    module = carousel.LSTM(3, 5, peephole=peephole, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    x, h, c = torch.randn(7, 2, 3), torch.randn(directions, 2, 5), 3 * torch.randn(directions, 2, 5)
    output, h_n, c_n = run_onnx("LSTM", module, x, [h, c], gates="ifgo", order="iofg")
    assert_close(module(x, (h, c)), (output, (h_n, c_n)))


def test_full_with_a_diagonal():
    """A full peephole of diagonal matrices is the diagonal one: the same results, and gradients on them."""
    options = {"num_layers": 2, "bidirectional": True, "dtype": torch.float64}
    diagonal = carousel.LSTM(3, 5, peephole="diagonal", **options)
    full = carousel.LSTM(3, 5, peephole="full", **options)
    weights = {name: value for name, value in diagonal.state_dict().items() if "peephole" not in name}
    for name, rows in diagonal.state_dict().items():
        if "peephole" in name:
            weights[name.replace("weight_peephole", "weight_ch")] = torch.cat([row.diag() for row in rows])
    full.load_state_dict(weights, strict=True)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    hx = (torch.randn(4, 2, 5, dtype=torch.float64), 3 * torch.randn(4, 2, 5, dtype=torch.float64))
    results = diagonal(x, hx), full(x, hx)
    assert_close(results[1], results[0])
    for output, (h, c) in results:
        (output.square().sum() + h.sum() + c.square().sum()).backward()
    for name, parameter in diagonal.named_parameters():
        if "peephole" in name:
            blocks = getattr(full, name.replace("weight_peephole", "weight_ch")).grad.view(3, 5, 5)
            assert_close(blocks.diagonal(dim1=1, dim2=2), parameter.grad, name=name)
        else:
            assert_close(getattr(full, name).grad, parameter.grad, name=name)


@pytest.mark.parametrize("row", range(3), ids=["i", "f", "o"])
def test_each_peephole_counts(row):
    """Each row of the peephole weights acts on the output: i and f on the old cell, o on the new."""
    module = carousel.LSTM(3, 5, peephole="diagonal", dtype=torch.float64)
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    hx = (torch.zeros(1, 2, 5, dtype=torch.float64), torch.randn(1, 2, 5, dtype=torch.float64))
    with torch.no_grad():
        module.weight_peephole_l0.zero_()
        before, (_, c_before) = module(x, hx)
        module.weight_peephole_l0[row] = 1
        after, (_, c_after) = module(x, hx)
    assert not after.allclose(before)
    assert c_after.allclose(c_before) == (row == 2)


def test_projection_by_position():
    """proj_size stands where torch.nn has it, and 0 means none."""
    assert carousel.LSTM(3, 5, 1, True, False, 0.0, False, 2).proj_size == 2
    assert carousel.LSTM(3, 5, 1, True, False, 0.0, False, 0).proj_size == 0


def test_unknown_peephole():
    """A peephole that does not exist is refused."""
    with pytest.raises(
        CarouselError, match="peephole must be one of 'none', 'diagonal', 'full'; it is 'half'"
    ):
        carousel.LSTM(3, 5, peephole="half")
