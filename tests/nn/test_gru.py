"""GRU beside ONNX Runtime: the reset gate after the product and before it."""

import pytest
import torch
from onnx_witness import run_onnx
from tolerances import assert_close

import carousel
from carousel import CarouselError


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("reset", ["after", "before"])
def test_onnx(reset, bidirectional):
    """ONNX Runtime's GRU, linear_before_reset 1 and 0, gives the same outputs and final states."""
    module = carousel.GRU(3, 5, reset=reset, bidirectional=bidirectional)
    x, h = torch.randn(7, 2, 3), torch.randn(2 if bidirectional else 1, 2, 5)
    linear_before_reset = 1 if reset == "after" else 0
    output, final = run_onnx(
        "GRU", module, x, [h], gates="rzn", order="zrn", linear_before_reset=linear_before_reset
    )
    assert_close(module(x, h), (output, final))


def test_resets_differ():
    """The two GRUs share their parameters and are different functions."""
    after, before = carousel.GRU(3, 5), carousel.GRU(3, 5, reset="before")
    before.load_state_dict(after.state_dict(), strict=True)
    x = torch.randn(7, 2, 3)
    assert not after(x)[0].allclose(before(x)[0], atol=1e-3)


def test_unknown_reset():
    """A reset that does not exist is refused."""
    with pytest.raises(CarouselError, match="reset must be one of 'after', 'before'; it is True"):
        carousel.GRU(3, 5, reset=True)
