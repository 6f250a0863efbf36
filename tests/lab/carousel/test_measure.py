"""Gradients over 1,000 steps against theory, and the lecture's formulas against the engine's gradient."""

import math

import numpy as np
import pytest
import torch

from carousel.lab.carousel import measure as carousel
from carousel.nn import LSTM


@pytest.fixture(scope="module")
def found(measured):
    return measured("carousel")


def test_the_open_carousel_keeps_the_gradient(found):
    """With f = 1 a gradient is still there after 1,000 steps, of the tanh net nothing is."""
    assert found.by_distance["LSTM, f = 1"][1000] > 0.1
    assert found.by_distance["RNN, tanh"][1000] < 1e-30


def test_what_is_tiny_is_not_nothing(found):
    """A gradient far below what can be squared is still measured: after 1,000 steps, at the rate of the first 100."""
    early, late = (found.by_distance["LSTM, bias 0"][steps] for steps in (100, 1000))
    assert 7 < math.log(late) / math.log(early) < 13


def test_starts_are_ordered(found):
    """After 100 steps: bias 0 has less than bias 1, that less than chrono, that less than f = 1."""
    kept = [found.by_distance[f"LSTM, {name}"][100] for name in ("bias 0", "bias 1", "chrono", "f = 1")]
    assert kept == sorted(kept)
    assert kept[0] < 1e-10 < 1e-3 < kept[2]


def test_the_carousel_alone_is_sigmoid_b_to_the_k(found):
    """Without weights 100 steps leave sigmoid(b)^100 of the cell's gradient."""
    theory = [(1 / (1 + math.exp(-bias))) ** 100 for bias in found.by_bias]
    np.testing.assert_allclose([left[99] for left in found.by_bias.values()], theory, rtol=1e-9)


@pytest.mark.parametrize("gradient", ["h", "c"])
def test_the_formulas_of_the_lecture(found, gradient):
    """Corrected they are the derived gradients of h and of C; each misprint alone spoils both."""
    error = {name: getattr(errors, gradient) for name, errors in found.errors.items()}
    assert error.pop(carousel.RIGHT) < 1e-12
    assert min(error.values()) > 1e-3


def test_the_derived_gradients_are_autograds():
    """What the recording holds is what autograd finds on the equations, written out with a tensor for each state."""
    torch.manual_seed(0)
    layer = LSTM(3, 5, peephole="full", dtype=torch.float64)
    x, target, w_z = (torch.randn(*shape, dtype=torch.float64) for shape in ((6, 1, 3), (6, 1, 4), (4, 5)))
    w, u, v = (layer.get_parameter(f"weight_{name}_l0").detach() for name in ("ih", "hh", "ch"))
    bias = (layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")).detach()
    h, c = torch.zeros(2, 1, 5, dtype=torch.float64).requires_grad_()
    hs, cs, div = [], [], torch.zeros((), dtype=torch.float64)
    for step, wanted in zip(x, target, strict=True):
        i, f, g, o = (step @ w.T + h @ u.T + bias).chunk(4, dim=1)
        c = torch.sigmoid(f + c @ v[5:10].T) * c + torch.sigmoid(i + c @ v[:5].T) * g.tanh()
        h = torch.sigmoid(o + c @ v[10:].T) * c.tanh()
        hs.append(h)
        cs.append(c)
        div = div + (h @ w_z.T - wanted).square().sum() / 2
    found = carousel.derived_gradients(layer, x, target, w_z)
    for gradient, states in zip(found, (hs, cs), strict=True):
        torch.testing.assert_close(
            gradient, torch.cat(torch.autograd.grad(div, states, retain_graph=True))[:, None]
        )


def test_distance_counts_from_the_end():
    """The curve of a tanh net starts at one step back and falls with the distance."""
    curve = carousel.gradient_by_distance(carousel.LAYERS["RNN, tanh"], 0, steps=20)
    assert len(curve) == 20
    assert curve[0] > curve[9] > curve[19]
