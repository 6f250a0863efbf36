"""Worst, typical and actual gradient by lag, against explicit products and numbers known in closed form."""

import numpy as np
import pytest
import torch
from diagnosis.nets import Odd, Shared
from torch import nn

import carousel
from carousel.diagnosis import gradient_by_lag, observe, stacked
from carousel.errors import CarouselError


def only(module, x, loss=None, **kwargs):
    [trajectory] = observe(module.double(), x.double(), loss, **kwargs).trajectories
    return trajectory


def scalar(nonlinearity, weight, steps=50, lags=None):
    """h_t = f(w h_{t-1}) without inputs, begun at h = 1."""
    module = carousel.RNN(1, 1, nonlinearity=nonlinearity, bias=False).double()
    with torch.no_grad():
        module.weight_ih_l0.zero_()
        module.weight_hh_l0.fill_(weight)
    batch = (torch.zeros(steps, 1, 1).double(), torch.ones(1, 1, 1).double())
    [trajectory] = observe(module, batch, lambda output: output[0][-1].sum()).trajectories
    return gradient_by_lag(trajectory, lags=lags)


@pytest.mark.parametrize(("weight", "value"), [(0.9, 5.1538e-3), (1.0, 1.0), (1.1, 117.39)])
@pytest.mark.parametrize("nonlinearity", ["relu", "identity"])
def test_a_scalar_recurrence_over_50_steps(nonlinearity, weight, value):
    """0.9^50, 1 and 1.1^50, for relu and for a linear recurrence: worst, typical, actual and bound agree."""
    flow = scalar(nonlinearity, weight)
    for curve in ("log_worst", "log_typical", "log_total", "log_last", "log_bound", "log_weights"):
        assert np.exp(getattr(flow, curve)[50, 0]) == pytest.approx(value, rel=1e-4), curve
    assert flow.rate() == pytest.approx(np.log(weight), abs=1e-12)
    assert flow.exact


@pytest.mark.parametrize("weight", [3.9, 2.0])
def test_sigmoid_cannot_keep_a_gradient_below_4(weight):
    """A scalar sigmoid network with |w| < 4 vanishes: its factor is at most |w| / 4, and the bound says so."""
    flow = scalar("sigmoid", weight)
    assert flow.log_bound[50, 0] == pytest.approx(50 * np.log(weight / 4))
    assert (flow.log_worst[1:] <= flow.log_bound[1:] + 1e-12).all()
    assert flow.rate() < 0


@pytest.mark.parametrize(("share", "above"), [(0.99, False), (1.01, True)])
@pytest.mark.parametrize(("nonlinearity", "limit"), [("tanh", 1.0), ("sigmoid", 4.0)])
def test_thresholds_of_simple_networks(nonlinearity, limit, share, above):
    """With sigma_max below 1 (tanh) or 4 (sigmoid) it must vanish; above, the bound allows an explosion."""
    module = carousel.RNN(2, 6, nonlinearity=nonlinearity)
    with torch.no_grad():
        module.weight_hh_l0.mul_(share * limit / torch.linalg.matrix_norm(module.weight_hh_l0, ord=2))
    flow = gradient_by_lag(only(module, torch.randn(40, 3, 2)))
    assert (flow.rate("log_bound") > 0) is above
    assert flow.rate("log_bound") == pytest.approx(np.log(share), rel=1e-4)
    if not above:
        assert flow.rate("log_worst") < 0


MODULES = [
    nn.RNN(2, 6),
    nn.LSTM(2, 4),
    nn.GRU(2, 6),
    carousel.LSTM(2, 4, peephole="full"),
    carousel.Recurrent(Odd, 2, 4),
    carousel.Recurrent(Shared, 2, 4),
]


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_curves_equal_explicit_products(module):
    """For every cell the norms are those of the multiplied Jacobians, and the actual gradient is J' applied to it."""
    trajectory = only(module, 2 * torch.randn(12, 3, 2), lambda output: output[0][-1].pow(3).sum())
    flow = gradient_by_lag(trajectory)
    n = trajectory.layer.size
    for b in range(3):
        product = torch.eye(n, dtype=torch.float64)
        last = trajectory.gradient.numbers()[12, b]
        for k in range(1, 13):
            t = 12 - k
            jacobian = trajectory.layer.jacobian(
                trajectory.inputs[t, b][None], trajectory.states[t, b][None]
            )[0]
            product = product @ jacobian
            norm = torch.linalg.matrix_norm(product, ord=2)
            assert flow.log_worst[k, b] == pytest.approx(norm.log().item(), abs=1e-6)
            typical = torch.linalg.matrix_norm(product) / n**0.5
            assert flow.log_typical[k, b] == pytest.approx(typical.log().item(), abs=1e-9)
            actual = (last @ product).norm().log().item()
            assert flow.log_total[k, b] == pytest.approx(actual, abs=1e-9)
            assert flow.log_last[k, b] == pytest.approx(actual, abs=1e-9)
    assert (flow.log_worst <= flow.log_bound + 1e-9).all()
    both = np.logaddexp.reduce([2 * part for part in flow.log_actual.values()], axis=0) / 2
    np.testing.assert_allclose(both, flow.log_total, atol=1e-9)
    np.testing.assert_allclose(flow.batch(), np.logaddexp.reduce(2 * flow.log_total, axis=1) / 2)


@pytest.mark.parametrize(("kind", "hidden"), [(nn.RNN, 30), (nn.LSTM, 20)])
def test_probes_agree_with_the_exact_method(kind, hidden):
    """Random probes are within their standard errors, Lanczos iteration is close from below, and both are named."""
    trajectory = only(kind(2, hidden), torch.randn(25, 2, 2))
    exact = gradient_by_lag(trajectory)
    probed = gradient_by_lag(trajectory, exact_size=0, number=64, iterations=30)
    assert exact.method.startswith("exact")
    assert not probed.exact
    assert probed.method == "typical by 64 random probes, worst by 30 rounds of Lanczos iteration"
    off = np.abs(exact.log_typical - probed.log_typical)[1:] / probed.typical_error[1:]
    assert np.quantile(off, 0.9) < 3
    at = probed.worst_lags
    assert (probed.log_worst[at] <= exact.log_worst[at] + 1e-9).all()
    np.testing.assert_allclose(probed.log_worst[at], exact.log_worst[at], atol=0.05)


def test_deep_lags_have_logarithms():
    """A product of 0.01 over 500 steps is 1e-1000, exact to the last digits of its logarithm."""
    flow = scalar("identity", 0.01, steps=500)
    assert flow.log_worst[500, 0] == pytest.approx(500 * np.log(0.01), rel=1e-12)
    assert flow.log_total[500, 0] == pytest.approx(500 * np.log(0.01), rel=1e-12)


def test_what_no_float_holds_is_told():
    """1e-300, and 1e-428 which is below any float, of a nonlinear network: no 0, no -inf, the sum of ln |w tanh'|."""
    weight, steps = 10 ** (-300 / 700), 1000
    flow = scalar("tanh", weight, steps=steps, lags=steps)
    h, logs = 1.0, []
    for _ in range(steps):
        h = np.tanh(weight * h)
        logs.append(np.log(weight * (1 - h * h)))
    for lag in (700, 1000):
        log = sum(logs[steps - lag :])
        assert log / np.log(10) < -299
        for curve in ("log_worst", "log_typical", "log_total"):
            assert getattr(flow, curve)[lag, 0] == pytest.approx(log, rel=1e-9), curve


def test_a_gradient_is_far_gone_before_1e_7():
    """The limit 1e-7 that a monitor of other networks has: 0.9 a step has passed it after 153 steps, and not before."""
    log = scalar("identity", 0.9, steps=153).log_total[:, 0]
    assert log[152] > np.log(1e-7) > log[153]


def test_the_carousel_carries_over_a_thousand_steps():
    """The LSTM of 1997, its forget gate open: nothing is lost over 1000 steps, where a simple unit of 0.9 has 1e-46."""
    module = nn.LSTM(1, 3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[3:6] = 20.0
    trajectory = only(module, torch.zeros(1001, 1, 1), lambda output: output[1][1].sum())
    of_cells = trajectory.gradient.part(3, 6).log[:, 0]
    assert of_cells[1].item() == pytest.approx(of_cells[1001].item(), abs=1e-5)


def test_activations_and_weights_are_told_apart():
    """A saturated tanh network with an orthogonal matrix loses its gradient to the activations alone."""
    module = nn.RNN(1, 8)
    with torch.no_grad():
        nn.init.orthogonal_(module.weight_hh_l0)
        module.bias_ih_l0.fill_(2.0)
    flow = gradient_by_lag(only(module, torch.zeros(30, 1, 1)))
    np.testing.assert_allclose(flow.log_weights, 0, atol=1e-5)
    assert flow.share_of_activations == pytest.approx(1.0, abs=1e-5)
    linear = gradient_by_lag(only(carousel.RNN(1, 8, nonlinearity="identity"), torch.zeros(30, 1, 1)))
    assert linear.share_of_activations == 0


def test_lags_beyond_a_sequence_are_nan():
    """A ragged batch: each sequence has its own lags, and the median is over those that are so long."""
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(9, 2, 3).double(), [9, 4])
    [trajectory] = observe(nn.GRU(3, 5).double(), packed).trajectories
    flow = gradient_by_lag(trajectory)
    for curve in ("log_worst", "log_typical", "log_total", "log_last", "log_bound"):
        values = getattr(flow, curve)
        assert np.isfinite(values[:5]).all(), curve
        assert np.isnan(values[5:, 1]).all(), curve
        np.testing.assert_array_equal(flow.median(curve)[5:], values[5:, 0])
    alone = gradient_by_lag(only(_as(trajectory), packed.data.new_tensor(trajectory.inputs[:4, 1:].numpy())))
    np.testing.assert_allclose(alone.log_worst[:, 0], flow.log_worst[:5, 1], atol=1e-9)


def _as(trajectory):
    """A GRU with the weights of a layer."""
    module = nn.GRU(trajectory.layer.input_size, trajectory.layer.hidden).double()
    for name, value in trajectory.layer.parameters.items():
        module.get_parameter(f"{name}_l0").data.copy_(value)
    return module


@pytest.mark.parametrize("module", [nn.LSTM(2, 3, num_layers=3), nn.GRU(2, 4, num_layers=2)], ids=repr)
def test_a_stack_is_one_recurrence(module):
    """Through the whole stack: step and products are autograd's, and the gradient joins those of the layers."""
    seen = observe(module.double(), torch.randn(8, 2, 2).double(), lambda output: output[0][-1].sum())
    whole = stacked(seen.trajectories)
    stack, x, s = whole.layer, whole.inputs[3], whole.states[3]
    np.testing.assert_allclose(stack.step(x, s).numpy(), whole.states[4].numpy(), atol=1e-12)
    jacobian = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda q, a=a: stack.step(a, q), b)
            for a, b in zip(x, s, strict=True)
        ]
    )
    at = stack.linearise(x, s)
    v = torch.randn(2, 3, stack.size, dtype=torch.float64)
    for found, expected in (
        (at.matrix(), jacobian), (at.jvp(v), v @ jacobian.mT), (at.vjp(v), v @ jacobian),
        (at.new_state, stack.step(x, s)),
    ):  # fmt: skip
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-12)
    flow = gradient_by_lag(whole)
    assert list(flow.log_actual) == [each.layer.name for each in seen.trajectories]
    np.testing.assert_allclose(flow.log_total, flow.log_last, atol=1e-9)
    top = seen.trajectories[-1]
    np.testing.assert_allclose(flow.log_actual[top.layer.name], gradient_by_lag(top).log_total, atol=1e-9)


def test_a_stack_of_two_directions_is_refused():
    """A reverse layer knows the future: there is no state from step to step."""
    seen = observe(nn.GRU(2, 3, num_layers=2, bidirectional=True), torch.randn(5, 2, 2))
    with pytest.raises(CarouselError, match=r"GRU\.l0\.reverse runs in reverse"):
        stacked(seen.trajectories)


def test_no_lags_are_refused():
    """The rule, and what came."""
    for lags in (0, -1):
        with pytest.raises(CarouselError, match=f"`lags` must be at least 1; got {lags}"):
            gradient_by_lag(only(nn.RNN(2, 3), torch.randn(5, 2, 2)), lags=lags)


def test_a_loss_at_every_step_shows_in_the_total_only():
    """log_last follows what the last step asks; log_total has every step's loss in it and does not fade."""
    module = nn.RNN(2, 5).double()
    x = torch.randn(30, 2, 2).double()
    flow = gradient_by_lag(only(module, x, lambda output: output[0].pow(2).sum()))
    end = gradient_by_lag(only(module, x, lambda output: output[0][-1].pow(2).sum()))
    np.testing.assert_allclose(flow.log_last, end.log_last, atol=1e-6)
    assert flow.log_total[30].min() > flow.log_last[30].max() + 5


@pytest.mark.parametrize("make", [nn.RNN, nn.GRU])
@pytest.mark.parametrize("seed", [2, 3])
def test_the_stated_error_covers_the_worst_direction(make, seed):
    """Of 300 units the iteration is up to 0.1 nats too low, and says so."""
    torch.manual_seed(seed)
    module = make(4, 300)
    if seed % 2:
        nn.init.orthogonal_(module.weight_hh_l0)
    trajectory = only(module, torch.randn(20, 2, 4))
    exact = gradient_by_lag(trajectory, exact_size=300, instances=1)
    found = gradient_by_lag(trajectory, exact_size=10, instances=1, iterations=3)
    known = np.intersect1d(found.worst_lags, exact.worst_lags)
    low = exact.log_worst[known, 0] - found.log_worst[known, 0]
    assert low.max() > 0.03
    assert (low <= found.worst_error[np.isin(found.worst_lags, known), 0]).all()
