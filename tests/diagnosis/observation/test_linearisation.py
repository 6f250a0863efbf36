"""The closed-form tangent map against autograd, for every cell of the catalogue and one that a user wrote."""

import pytest
import torch
from diagnosis.nets import Odd, Shared, layer_of, points_of
from tolerances import assert_close

from carousel.diagnosis.observation.linearisation import STEEPEST
from carousel.equations.catalogue import CELLS

EVERY = pytest.mark.parametrize("cell", [*CELLS.values(), Odd(), Shared()], ids=[*CELLS, "odd", "shared"])


def autograd(layer, x, s):
    """ds'/ds and ds'/dx by torch, (N, n, n) and (N, n, I)."""
    points, jacobian = list(zip(x, s, strict=True)), torch.autograd.functional.jacobian
    by_state = [jacobian(lambda q, a=a: layer.step(a, q), b) for a, b in points]
    by_input = [jacobian(lambda q, b=b: layer.step(q, b), a) for a, b in points]
    return torch.stack(by_state), torch.stack(by_input)


@EVERY
def test_jacobians_equal_autograd(cell):
    """The matrix of the full state and that of the input are what autograd finds."""
    layer = layer_of(cell)
    x, s = points_of(layer)
    by_state, by_input = autograd(layer, x, s)
    assert_close(layer.jacobian(x, s), by_state)
    assert_close(layer.linearise(x, s).input_matrix(), by_input)


@EVERY
def test_products_need_no_matrix(cell):
    """J v, u J and u dstep/dx equal the products with the matrices, for one vector and for several at each point."""
    layer = layer_of(cell)
    x, s = points_of(layer)
    by_state, by_input = autograd(layer, x, s)
    rows = torch.randn(5, 2, layer.size, dtype=torch.float64)
    dx = torch.randn(5, 2, layer.input_size, dtype=torch.float64)
    at = layer.linearise(x, s)
    assert_close(at.jvp(rows), rows @ by_state.mT)
    assert_close(at.jvp(rows, dx), rows @ by_state.mT + dx @ by_input.mT)
    assert_close(at.pull_back(rows), (rows @ by_state, rows @ by_input))
    assert_close(layer.linearise(x, s).jvp(rows[:, 0]), (rows @ by_state.mT)[:, 0])
    assert_close(layer.linearise(x, s).vjp(rows[:, 0]), (rows @ by_state)[:, 0])
    assert_close(at.new_state, layer.step(x, s))


def test_steepest_gives_every_activation_its_largest_slope():
    """At z = 0 tanh and sigmoid are steepest already; anywhere else the steepest map is that of z = 0."""
    layer = layer_of(CELLS["rnn-tanh"])
    x, s = points_of(layer)
    weight = layer.parameters["weight_hh"].expand(5, 4, 4)
    assert_close(layer.linearise(x, s, steepest=True).matrix(), weight)
    layer = layer_of(CELLS["rnn-sigmoid"])
    assert_close(
        layer.linearise(x, s, steepest=True).matrix(), 0.25 * layer.parameters["weight_hh"].expand(5, 4, 4)
    )


def test_slope_maxima():
    """The largest slopes are 1/4 for sigmoid, 1 for tanh, relu and elu, and the curves reach and never pass them."""
    z = torch.linspace(-6, 6, 100_001, dtype=torch.float64, requires_grad=True)
    functions = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "elu": torch.nn.functional.elu,
    }
    assert STEEPEST.keys() == functions.keys()
    for name, function in functions.items():
        [slope] = torch.autograd.grad(function(z).sum(), z)
        assert slope.max().item() == pytest.approx(STEEPEST[name], abs=1e-12)
