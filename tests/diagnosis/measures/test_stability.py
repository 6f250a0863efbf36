"""Stability: bounds that no run breaks, and certificates that hold exactly where theory says."""

import numpy as np
import pytest
import torch
from diagnosis.nets import Odd, Shared
from torch import nn

import carousel
from carousel.diagnosis import observe, stability, stacked
from carousel.diagnosis.measures.intervals import Interval, intervals, invariant_box, largest_jacobian
from carousel.diagnosis.measures.stability import perron
from carousel.errors import CarouselError

MODULES = {
    "rnn": nn.RNN(3, 5), "relu": carousel.RNN(3, 5, nonlinearity="relu"), "elu": carousel.RNN(3, 5, nonlinearity="elu"),
    "lstm": nn.LSTM(3, 5), "gru": nn.GRU(3, 5), "before": carousel.GRU(3, 5, reset="before"),
    "diagonal": carousel.LSTM(3, 5, peephole="diagonal"), "odd": carousel.Recurrent(Odd, 3, 5),
    "shared": carousel.Recurrent(Shared, 3, 5),
}  # fmt: skip
EVERY = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)


def only(module, x):
    [trajectory] = observe(module.double(), x.double(), gradients=False).trajectories
    return trajectory


def sampled(layer, number=500):
    """Points of a box of inputs and states, and the box."""
    points = torch.rand(number, layer.input_size, dtype=torch.float64) * 2 - 1
    states = torch.randn(number, layer.size, dtype=torch.float64)
    box = {
        name: Interval(layer.part(states, name).amin(dim=0), layer.part(states, name).amax(dim=0))
        for name in layer.states
    }
    return points, states, Interval(points.amin(dim=0), points.amax(dim=0)), box


@EVERY
def test_ranges_hold_every_vector(module):
    """Whatever point of the box is taken, each vector of the step lies in its range, and |J| below the largest."""
    layer = only(module, torch.randn(3, 1, 3)).layer
    points, states, x, box = sampled(layer)
    found = intervals(layer, x, box)
    for node, values in layer.vectors(points, states).items():
        assert (values >= found[node].low - 1e-12).all(), node
        assert (values <= found[node].high + 1e-12).all(), node
    jacobians = layer.jacobian(points, states).abs()
    assert (jacobians.amax(dim=0) <= largest_jacobian(layer, found) + 1e-12).all()


@EVERY
def test_bounds_are_never_passed(module):
    """A proven bound holds on long runs with the worst inputs of the range, and was there for gated cells."""
    trajectory = only(module, torch.randn(20, 4, 3))
    found = stability(trajectory)
    layer = trajectory.layer
    if type(module) in (nn.RNN, nn.LSTM, nn.GRU, carousel.GRU):
        assert found.bounded is True
    points, _ = trajectory.points()
    low, high = points.amin(dim=0), points.amax(dim=0)
    s = torch.zeros(200, layer.size, dtype=torch.float64)
    for _ in range(200):
        s = layer.step(torch.where(torch.rand(200, 3) < 0.5, low, high), s)
        for state, bound in found.bound.items():
            assert (layer.part(s, state).abs().amax(dim=0).numpy() <= bound + 1e-9).all()
    for state, bound in found.bound.items():
        assert (found.largest[state] <= bound).all()


def test_the_bound_of_an_lstm_cell():
    """With f = 0.9, i = 1/2 and |g| <= tanh(1): |c| <= 0.5 tanh(1) / (1 - 0.9), and a run comes near."""
    module = nn.LSTM(1, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[2:4] = np.log(9)
        module.weight_ih_l0[4:6] = 1.0
    x = torch.ones(200, 1, 1)
    x[0] = -1
    found = stability(only(module, x))
    exact = 0.5 * np.tanh(1) / 0.1
    assert found.bound["c"] == pytest.approx(np.full(2, exact), rel=1e-2)
    assert found.bound["c"].min() >= exact
    assert found.largest["c"] == pytest.approx(np.full(2, exact), rel=1e-2)


def test_an_output_is_bounded_where_the_cell_is_not():
    """f = 1: c adds up without end, and |h| = |o tanh(c)| stays below 1 all the same; both are said."""
    module = nn.LSTM(1, 2)
    with torch.no_grad():
        module.bias_ih_l0[2:4] = 60.0
        module.bias_ih_l0[4:6] = 3.0
    found = stability(only(module, torch.ones(50, 1, 1)))
    assert found.bounded is True
    assert found.bound.keys() == {"h"}
    assert found.bound["h"].max() <= 1
    assert found.reason.startswith("|h| <= 1 by its activations, whatever comes in; no bound of c was found")
    assert "400 rounds" in found.reason
    assert found.certificates == []


def test_a_gru_stays_within_one():
    """|h| <= 1 from any start within it, since h is a mean of h and n."""
    found = stability(only(nn.GRU(3, 5), 100 * torch.randn(30, 2, 3)))
    assert found.bound["h"].max() <= 1


def linear(matrix):
    module = carousel.RNN(2, len(matrix), nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.as_tensor(matrix))
    return module


def test_a_linear_recurrence_is_bounded_below_radius_one():
    """sum_k |W^k W_x| sup|x| is reached by the input that meets every sign, and by no other."""
    module = linear([[0.5, 2.0], [0.0, -0.6]])
    x = torch.rand(60, 1, 2) * 2 - 1
    x[0], x[1] = 1, -1
    found = stability(only(module, x))
    assert found.bounded is True
    w, w_x = module.weight_hh_l0.detach(), module.weight_ih_l0.detach()
    terms = torch.stack([torch.linalg.matrix_power(w, k) @ w_x for k in range(200)])
    expected = terms.abs().sum(dim=(0, 2))
    assert found.bound["h"] == pytest.approx(expected.numpy(), rel=1e-9)
    signs = terms[:, 0].sign().flip(0)  # the worst input for the first unit
    h = torch.zeros(2, dtype=torch.float64)
    for t in range(200):
        h = w @ h + w_x @ signs[t]
    assert h[0].item() == pytest.approx(found.bound["h"][0], rel=1e-9)


def test_a_linear_recurrence_with_radius_one_is_not_bounded():
    """An eigenvalue of 1 integrates a constant input without end, and 1.01 grows by itself."""
    for radius in (1.0, 1.01):
        found = stability(only(linear([[radius, 0.0], [0.0, 0.5]]), torch.ones(10, 1, 2)))
        assert found.bounded is False
        assert "eigenvalue of modulus 1" in found.reason
        assert found.bound == {}


def test_a_relu_network_that_runs_away_is_not_certified():
    """W = 1.1 with positive inputs grows for ever: no bound is claimed."""
    module = carousel.RNN(2, 2, nonlinearity="relu").double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(1.1 * torch.eye(2))
        module.weight_ih_l0.abs_()
        module.bias_ih_l0.fill_(2.0)
    found = stability(only(module, torch.rand(10, 1, 2)))
    assert found.bounded is None
    assert not found.contracts
    assert found.measured_rate > 0


@pytest.mark.parametrize(
    ("nonlinearity", "gamma"), [("tanh", 1.0), ("relu", 1.0), ("elu", 1.0), ("sigmoid", 0.25)]
)
def test_the_norm_certificate(nonlinearity, gamma):
    """gamma sigma_max < 1 holds just below the threshold and fails just above: 1, and 4 for sigmoid."""
    for scale, holds in ((0.99, True), (1.01, False)):
        module = carousel.RNN(2, 4, nonlinearity=nonlinearity).double()
        with torch.no_grad():
            module.weight_hh_l0.copy_(scale / gamma * torch.linalg.qr(torch.randn(4, 4))[0])
        first = stability(only(module, torch.randn(10, 2, 2))).certificates[0]
        assert first.name == "gamma ||U||_2"
        assert first.value == pytest.approx(scale, rel=1e-6)
        assert first.holds is holds


def test_a_weighted_norm_certifies_what_the_plain_norm_cannot():
    """[[.5, 10], [0, .5]] has norm 10 and forgets all the same: a diagonal change of units proves it."""
    module = nn.RNN(2, 2)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.tensor([[0.5, 10.0], [0.0, 0.5]]))
    found = stability(only(module, torch.randn(30, 2, 2)))
    plain, balanced, weighted = found.certificates
    assert plain.value > 10
    assert not plain.holds
    assert balanced.value < 0.6
    assert weighted.value == pytest.approx(0.5, abs=0.01)
    assert found.contracts
    assert found.measured_rate < 0


def small_lstm(scale):
    module = nn.LSTM(2, 3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.weight_hh_l0.uniform_(-scale, scale)
    return module


def test_certificates_of_lstms():
    """Small recurrent weights at f near 1/2 are certified, by Miller and Hardt's conditions too; large ones are not."""
    small = stability(only(small_lstm(0.02), torch.randn(20, 2, 2)))
    assert small.contracts
    box, conditions = small.certificates
    assert box.name == "rho(sup |J|)"
    assert box.holds
    assert conditions.holds
    assert conditions.source == "Miller and Hardt (2019)"
    assert small.certificate.value == min(box.value, conditions.value)
    large = stability(only(small_lstm(3.0), torch.randn(20, 2, 2)))
    assert not large.contracts
    assert large.certificate is None


def test_miller_and_hardts_limits():
    """f = 1/2: norms of i and o to 1/2, of g to 1/8, of f to 1/4; each limit on its own decides."""
    for block, limit in ((0, 0.5), (1, 0.25), (2, 0.125), (3, 0.5)):
        for share in (0.9, 1.1):
            module = small_lstm(0.0)
            with torch.no_grad():
                module.weight_hh_l0[3 * block, 0] = share * limit
            value = stability(only(module, torch.zeros(20, 1, 2))).certificates[1].value
            assert value == pytest.approx(share, rel=1e-5)  # h stays 0, and f 1/2


def test_perron_bounds_the_radius():
    """From above, and near; also of a matrix that circles, and of one that is reducible."""
    for matrix in (
        torch.rand(6, 6).double(),
        torch.eye(4).roll(1, 0).double(),
        torch.tensor([[0.5, 10.0], [0, 0.5]]).double(),
    ):
        radius = torch.linalg.eigvals(matrix).abs().max().item()
        assert radius - 1e-12 <= perron(matrix) <= radius * 1.05


def test_no_box_for_what_grows():
    """A cell that adds its input up has no box."""

    class Sum(carousel.Cell):
        def step(self, x, h):
            from carousel.equations import affine

            return h + affine("a", x)

    layer = only(carousel.Recurrent(Sum, 2, 3), torch.randn(4, 1, 2)).layer
    zero = torch.zeros(3, dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    assert invariant_box(layer, Interval(-one, one), {"h": Interval(zero, zero)}) is None


def test_measured_contraction():
    """Two starts of h_t = 0.8 h_{t-1} approach each other by ln 0.8 a step."""
    found = stability(only(linear(0.8 * torch.eye(3)), torch.randn(40, 2, 2)))
    assert found.measured_rate == pytest.approx(np.log(0.8), abs=1e-6)
    assert found.contracts


def test_stacks_are_looked_at_layer_by_layer():
    """Stability is of one layer."""
    whole = stacked(observe(nn.GRU(2, 3, num_layers=2), torch.randn(5, 2, 2)).trajectories)
    with pytest.raises(CarouselError, match="one by one"):
        stability(whole)
