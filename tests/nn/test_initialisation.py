"""What a layer starts from: torch's numbers, and what the cell asks for."""

import math

import numpy as np
import pytest
import torch
from tolerances import assert_close

import carousel
from carousel import CarouselError
from carousel.equations import Cell, affine, init, param, scale, tanh


class Started(Cell):
    """Starts of every kind, on matrices, biases, a diagonal and vectors."""

    states = ("h", "c")

    def step(self, x, h, c):
        a = affine("a", x, h, input=init.glorot(2), recurrent=init.orthogonal(3), bias=1)
        b = affine("b", x, h, c, recurrent=init.identity(0.5), bias=init.chrono(10))
        d = affine("d", x, h, c, input=torch.nn.init.ones_, bias=init.normal(0.1, 4))
        e = scale("one", c, init=-1) + scale("other", h, init=init.uniform(2, 3)) + scale("third", a)
        return tanh(a + b + d) + e, param("u", init=7) * param("v", init=init.uniform(-1, 0)) + param("w")


def blocks(module, name):
    return dict(
        zip(module.cell.equations.layout.rows[name], getattr(module, f"{name}_l0").split(64), strict=True)
    )


def test_each_block_starts_as_asked():
    """Every start reaches its block and no other; the rest is uniform as in torch."""
    module = carousel.Recurrent(Started, 32, 64, dtype=torch.float64)
    W, U, V = (blocks(module, name) for name in ("weight_ih", "weight_hh", "weight_ch"))
    eye = torch.eye(64, dtype=torch.float64)
    assert 1.9 < W["a"].abs().max() / math.sqrt(6 / 96) <= 2
    assert_close(U["a"] @ U["a"].T, 9 * eye)
    assert_close((U["b"], V["b"]), (0.5 * eye, 0.5 * eye))
    assert_close(W["d"], torch.ones(64, 32, dtype=torch.float64))
    for usual in (W["b"], U["d"], V["d"], module.w_l0, module.weight_peephole_l0[2]):
        assert 0.09 < usual.abs().max() <= 1 / 8
    one, other, _ = module.weight_peephole_l0
    assert (one == -1).all()
    assert ((other >= 2) & (other < 3)).all()
    assert (module.u_l0 == 7).all()
    assert ((module.v_l0 >= -1) & (module.v_l0 < 0)).all()


def test_the_two_biases_add_up_to_the_start():
    """A bias that is asked for is the sum of torch's two."""
    module = carousel.Recurrent(Started, 32, 64)
    total = {
        name: value + blocks(module, "bias_hh")[name] for name, value in blocks(module, "bias_ih").items()
    }
    assert (total["a"] == 1).all()
    assert 0 <= total["b"].min() < 0.5 < 2 < total["b"].max() <= math.log(9)
    assert 3.9 < total["d"].mean() < 4.1
    assert total["d"].std() > 0.05


@pytest.mark.parametrize("options", [{"bias": False}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_every_layer_starts_so(options):
    """Layers and directions each draw their own numbers; without biases there is none to start."""
    module = carousel.Recurrent(Started, 32, 64, **options)
    orthogonal = [p[:64] for name, p in module.named_parameters() if name.startswith("weight_hh")]
    for block in orthogonal:
        assert_close(block @ block.T, 9 * torch.eye(64), torch.bfloat16)
    assert len({block[0, 0].item() for block in orthogonal}) == len(orthogonal)
    assert all((p == 7).all() for name, p in module.named_parameters() if name.startswith("u_"))


def test_a_function_may_fill_or_return():
    """What a function returns is taken; one that fills may return anything that it filled, or nothing."""

    class Returned(Cell):
        def step(self, x, h):
            a = affine("a", x, h, recurrent=lambda p: torch.eye(len(p)), bias=lambda p: None)
            return tanh(a) * param("g", init=lambda p: torch.arange(4.0)) + param("o", init=np.float32(0.25))

    module = carousel.Recurrent(Returned, 3, 4)
    assert torch.equal(module.weight_hh_l0, torch.eye(4))
    assert torch.equal(module.g_l0, torch.arange(4.0))
    assert (module.o_l0 == 0.25).all()


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (lambda p: p.copy_(torch.ones(7)), r"\(4,\).*failed with RuntimeError: The size of tensor"),
        (lambda p: torch.ones(7), r"\(4,\).*fill it or return a tensor of this shape; it returned \(7,\)"),
        (lambda p: "ones", "it returned a str"),
        (lambda: None, "failed with TypeError"),
    ],
)
def test_a_function_that_does_not_fit_is_told(fill, reason):
    """With the cell, the vector and the line of the function."""

    class Misfit(Cell):
        def step(self, x, h):
            return tanh(affine("a", x, h)) * param("g", init=fill)

    with pytest.raises(CarouselError, match=rf"Misfit.step: param\('g', init=.*{reason}") as caught:
        carousel.Recurrent(Misfit, 3, 4)
    assert "test_initialisation.py" in str(caught.value)


def test_reset_parameters_starts_anew():
    """reset_parameters draws again, also after a module was made on the meta device."""
    module = carousel.Recurrent(Started, 32, 64, device="meta").to_empty(device="cpu")
    module.reset_parameters()
    assert (module.u_l0 == 7).all()
    before = module.weight_hh_l0.detach().clone()
    module.reset_parameters()
    assert not torch.equal(before, module.weight_hh_l0)


def test_a_seed_gives_torchs_weights():
    """A cell that asks for nothing draws what torch.nn draws."""
    torch.manual_seed(3)
    ours = carousel.LSTM(3, 5, 2, bidirectional=True)
    torch.manual_seed(3)
    theirs = torch.nn.LSTM(3, 5, 2, bidirectional=True)
    assert all(
        torch.equal(one, other) for one, other in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
