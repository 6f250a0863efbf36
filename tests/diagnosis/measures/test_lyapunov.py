"""Lyapunov exponents of maps whose exponents are known, and of networks in which they follow from the weights."""

import math

import numpy as np
import pytest
import torch
from diagnosis import lorenz
from torch import nn

import carousel
from carousel.diagnosis import lyapunov, lyapunov_of_map, observe, recurrent_layers, stacked
from carousel.errors import CarouselError


def only(module, x):
    [trajectory] = observe(module.double(), x.double(), gradients=False).trajectories
    return trajectory


def linear(matrix, steps=400, batch=1):
    module = carousel.RNN(1, len(matrix), nonlinearity="identity", bias=False)
    module.double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(matrix)
    return only(module, torch.zeros(steps, batch, 1))


def test_henon():
    """The Henon map: 0.4199 and -1.6239, whose sum is ln 0.3 exactly, and dimension 1.26."""

    def henon(s):
        return torch.stack([1 - 1.4 * s[0] ** 2 + s[1], 0.3 * s[0]])

    found = lyapunov_of_map(henon, 0.1 * torch.rand(4000, 2, dtype=torch.float64), 200, transient=60)
    assert found.exponents == pytest.approx([0.4199, -1.6239], abs=3e-3)
    assert found.exponents.sum() == pytest.approx(math.log(0.3), abs=1e-9)
    assert found.sum_rule_error < 1e-9
    assert found.dimension == pytest.approx(1.2586, abs=3e-3)


def test_the_logistic_map():
    """x -> 4 x (1 - x) doubles small changes at each step: ln 2."""
    found = lyapunov_of_map(
        lambda s: 4 * s * (1 - s), torch.rand(5000, 1, dtype=torch.float64), 200, transient=50
    )
    assert found.exponents[0] == pytest.approx(math.log(2), abs=2e-3)
    assert found.predictable_steps == pytest.approx(1, abs=5e-3)


def test_lorenz():
    """The Lorenz system: 0.9056, 0 and -14.5723 for each unit of time."""
    time = 0.02

    def flow(s):
        return torch.stack([10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]])

    def runge_kutta(s):
        a = flow(s)
        b = flow(s + time / 2 * a)
        c = flow(s + time / 2 * b)
        d = flow(s + time * c)
        return s + time / 6 * (a + 2 * b + 2 * c + d)

    start = torch.randn(2000, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, 25.0])
    found = lyapunov_of_map(runge_kutta, start, 500, transient=200)
    assert found.exponents / time == pytest.approx([0.9056, 0, -14.5723], abs=0.03)
    assert found.sum_rule_error < 1e-9


def test_a_gru_that_has_learned_lorenz():
    """Left to itself it has the exponents of the system, 0.9056, 0, -14.57; one of Vlachas: 0.9075, -0.0043, -14.31."""
    weights = {name: torch.from_numpy(value).double() for name, value in np.load(lorenz.FILE).items()}
    gru, out = nn.GRU(3, lorenz.HIDDEN).double(), nn.Linear(lorenz.HIDDEN, 3).double().requires_grad_(False)
    out.load_state_dict({name: weights.pop(name) for name in ("weight", "bias")})
    gru.load_state_dict(weights)
    [layer] = recurrent_layers(gru)
    points = lorenz.points()[0][:64]
    start = layer.step(points, torch.zeros(len(points), lorenz.HIDDEN).double())
    found = lyapunov_of_map(lambda h: layer.step(out(h), h), start, 500, exponents=4, transient=100)
    first, second, third, fourth = found.exponents / lorenz.TIME
    assert first == pytest.approx(0.9075, abs=0.1)
    assert second == pytest.approx(-0.0043, abs=0.05)
    assert third == pytest.approx(-14.312, abs=1.0)
    assert fourth < -15  # the memory that it does not need


def test_a_linear_network_has_the_logarithms_of_its_eigenvalues():
    """Exponents are ln |eigenvalue|; also the first few alone are the largest."""
    matrix = torch.diag(torch.tensor([1.2, 0.9, 0.5, 0.1])).double() + 0.3 * torch.randn(4, 4).double().triu(
        1
    )
    found = lyapunov(linear(matrix), transient=200)
    assert found.exponents == pytest.approx(np.log([1.2, 0.9, 0.5, 0.1]), abs=1e-3)
    assert found.sum_rule_error < 1e-9
    few = lyapunov(linear(matrix), transient=200, exponents=2)
    assert few.exponents == pytest.approx(found.exponents[:2], abs=1e-6)
    assert math.isnan(few.mean_log_det)
    assert found.running.shape == (200, 4)
    assert found.running[-1] == pytest.approx(found.exponents, abs=1e-12)


def test_an_orthogonal_matrix_times_g():
    """Every exponent is ln g, with no transient and no error."""
    q = torch.linalg.qr(torch.randn(6, 6).double())[0]
    found = lyapunov(linear(0.8 * q, steps=20))
    assert found.exponents == pytest.approx(np.full(6, math.log(0.8)), abs=1e-12)
    assert found.error.max() < 1e-12


def lstm(bias, recurrent, hidden=4):
    module = nn.LSTM(2, hidden)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.weight_hh_l0.uniform_(-recurrent, recurrent)
        module.weight_ih_l0.uniform_(-0.5, 0.5)
        module.weight_ih_l0[hidden : 2 * hidden] = 0  # f does not see the input
        module.bias_ih_l0[hidden : 2 * hidden] = bias
    return module


def test_the_cells_of_an_lstm_without_recurrence():
    """With U = 0 the cell exponents are ln sigmoid(b_f), and the others -inf: h is read from nothing."""
    found = lyapunov(only(lstm(math.log(99), 0.0), torch.zeros(60, 2, 2)))
    assert found.exponents[:4] == pytest.approx(np.full(4, -0.0100503), abs=1e-7)
    assert (found.exponents[4:] < -30).all()  # zero, but for rounding
    found = lyapunov(only(lstm(math.log(99), 0.0), torch.randn(800, 1, 2)))
    assert found.exponents[:4] == pytest.approx(np.full(4, -0.0100503), abs=1e-3)
    assert (found.exponents[4:] < -30).all()  # zero, but for rounding


def test_h_alone_would_be_wrong():
    """An LSTM with forget gates of 0.99 keeps changes for 100 steps; the map of h alone says a fraction of a step."""
    trajectory = only(lstm(math.log(99), 0.02), torch.randn(400, 1, 2))
    found = lyapunov(trajectory)
    assert (found.exponents[:4] > -0.02).all()
    assert (found.exponents[:4] < -0.005).all()
    assert (found.exponents[4:] < -5).all()
    assert found.sum_rule_error < 1e-9
    x, s = trajectory.points()
    alone = trajectory.layer.jacobian(x, s)[:, :4, :4]  # dh'/dh, the cell held fixed
    product, log = torch.eye(4, dtype=torch.float64), 0.0
    for jacobian in alone[100:]:
        product = jacobian @ product
        log += product.norm().log().item()
        product /= product.norm()
    assert log / len(alone[100:]) < -3


@pytest.mark.parametrize(
    ("gain", "low", "high"), [(0.5, -0.7, -0.63), (1.5, 0.04, 0.06), (2.0, 0.14, 0.155), (3.0, 0.285, 0.305)]
)
def test_the_onset_of_chaos(gain, low, high):
    """A random tanh network turns chaotic at gain 1 (Sompolinsky, Crisanti and Sommers 1988): 3 of 200 units."""
    size, tops = 200, []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        module = nn.RNN(1, size, bias=False).double()
        with torch.no_grad():
            module.weight_hh_l0.normal_(0, gain / size**0.5)
        batch = (torch.zeros(600, 1, 1).double(), torch.randn(1, 1, size).double())
        found = lyapunov(observe(module, batch, gradients=False).trajectories[0], exponents=1, transient=200)
        tops.append(found.exponents[0])
        assert (found.predictable_steps == math.inf) == (gain < 1)
    assert low < np.mean(tops) < high


def test_inputs_begin_again():
    """More steps than the sequence has: a fixed input goes on, and the exponent becomes that of the fixed point."""
    module = nn.RNN(1, 3)
    short = only(module, torch.zeros(10, 1, 1))
    found = lyapunov(short, steps=600, transient=300)
    s = torch.zeros(1, 3, dtype=torch.float64)
    for _ in range(1000):
        s = short.layer.step(torch.zeros(1, 1, dtype=torch.float64), s)
    eigenvalues = torch.linalg.eigvals(short.layer.jacobian(torch.zeros(1, 1).double(), s)[0]).abs()
    assert found.exponents == pytest.approx(eigenvalues.log().sort(descending=True).values.numpy(), abs=5e-3)


def test_a_stack_has_the_exponents_of_its_layers():
    """Block triangular: with inputs that do not matter, the exponents of a linear stack are those of its layers."""
    module = carousel.RNN(1, 2, num_layers=2, nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.diag(torch.tensor([0.9, 0.5])))
        module.weight_hh_l1.copy_(torch.diag(torch.tensor([0.7, 0.2])))
    seen = observe(module, torch.zeros(400, 1, 1).double(), gradients=False)
    found = lyapunov(stacked(seen.trajectories), transient=200)
    assert found.exponents == pytest.approx(np.log([0.9, 0.7, 0.5, 0.2]), abs=5e-3)


def test_what_cannot_be_measured_is_said():
    """More exponents than directions, and nothing left after the transient."""
    trajectory = linear(torch.eye(2).double(), steps=5)
    with pytest.raises(CarouselError, match="state of size 2 has from 1 to 2 exponents; 3 were"):
        lyapunov(trajectory, exponents=3)
    with pytest.raises(CarouselError, match="of 5 steps, 4 are the transient"):
        lyapunov(trajectory, steps=5, transient=4)


def test_an_exactly_singular_step_has_no_sum_rule():
    """With U = 0 nothing goes through h, and ln |det J| is minus infinity: no check, and no infinite error."""
    lstm = torch.nn.LSTM(2, 16).double()
    with torch.no_grad():
        lstm.weight_hh_l0.zero_()
    [trajectory] = observe(lstm, torch.randn(30, 2, 2).double()).trajectories
    assert not lyapunov(trajectory).sum_rule_error > 0
