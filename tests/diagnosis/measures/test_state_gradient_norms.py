"""The gradient by lag of any step against chains of Jacobians that are known in closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from carousel import LSTM, RNN
from carousel.diagnosis import StateGradientNorms, state_gradient_norms
from carousel.errors import CarouselError


class Model(nn.Module):
    """A recurrent module with a linear read-out."""

    def __init__(self, recurrent: nn.Module, hidden: int, classes: int = 3) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(hidden, classes)
        self.double()

    def forward(self, x, state=None):
        output, state = self.recurrent(x, state)
        return self.head(output), state


def _inputs(steps: int = 30, lanes: int = 4, width: int = 2):
    torch.manual_seed(0)
    return torch.randn(steps, lanes, width, dtype=torch.float64), torch.randint(0, 3, (lanes,))


def _linear(factor: float, hidden: int = 5) -> Model:
    """h_t = factor * h_{t-1} + W x: each step back multiplies the gradient by `factor`."""
    torch.manual_seed(1)
    model = Model(RNN(2, hidden, nonlinearity="identity", bias=False), hidden)
    with torch.no_grad():
        model.recurrent.weight_hh_l0.copy_(factor * torch.eye(hidden, dtype=torch.float64))
    return model


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_a_linear_recurrence_keeps_its_factor_per_step(factor):
    """With W = factor * I the norm k steps back goes as factor**k, and decay() reads the factor."""
    flow = state_gradient_norms(_linear(factor), *_inputs(), lags=20)
    total = flow.total("h")
    np.testing.assert_allclose(total / total[0], np.tile(factor ** np.arange(20)[:, None], 4), rtol=1e-9)
    assert flow.decay() == pytest.approx(factor, rel=1e-9)


def test_reach_is_the_last_distance_above_one_percent():
    """0.9**43 is the last power of 0.9 above 0.01, and it stands at distance 44."""
    flow = state_gradient_norms(_linear(0.9), *_inputs(steps=70), lags=60)
    assert flow.reach() == 44
    assert flow.reach(0.5) == 7


def test_gradients_equal_finite_differences():
    """The norm of dL/dh and dL/dc of an LSTM of two layers equals what moving each coordinate shows."""
    torch.manual_seed(2)
    model = Model(LSTM(2, 3, num_layers=2), 3).eval()
    inputs, targets = _inputs(steps=9, lanes=1)
    distance, step = 4, 1e-6
    flow = state_gradient_norms(model, inputs, targets, lags=distance)
    with torch.no_grad():
        _, start = model(inputs[:-distance])

        def loss(state) -> float:
            logits, _ = model(inputs[-distance:], state)
            return float(nn.functional.cross_entropy(logits[-1], targets))

        for j, name in enumerate(("h", "c")):
            expected = np.zeros((2, 3))
            for layer, unit in np.ndindex(2, 3):
                moved = []
                for sign in (1, -1):
                    state = [part.clone() for part in start]
                    state[j][layer, 0, unit] += sign * step
                    moved.append(loss(tuple(state)))
                expected[layer, unit] = (moved[0] - moved[1]) / (2 * step)
            np.testing.assert_allclose(
                flow.norms[name][-1, :, 0], np.linalg.norm(expected, axis=1), rtol=1e-6
            )


def test_lanes_do_not_mix():
    """Changing the text of one place changes no number of another."""
    torch.manual_seed(3)
    model = Model(LSTM(2, 4), 4)
    inputs, targets = _inputs()
    before = state_gradient_norms(model, inputs, targets, lags=10)
    inputs[:, 0] += 1
    after = state_gradient_norms(model, inputs, targets, lags=10)
    for name in ("h", "c"):
        np.testing.assert_allclose(before.norms[name][..., 1:], after.norms[name][..., 1:], rtol=1e-12)
        assert not np.allclose(before.norms[name][..., 0], after.norms[name][..., 0])


def test_the_model_is_left_as_it_was():
    """No parameter gets a gradient or loses its flag, and training mode comes back."""
    model = Model(LSTM(2, 4), 4).train()
    state_gradient_norms(model, *_inputs(), lags=5)
    assert model.training
    assert all(each.grad is None and each.requires_grad for each in model.parameters())


def test_frozen_parameters_change_nothing():
    """States are followed even when no parameter asks for a gradient."""
    model = _linear(0.9)
    free = state_gradient_norms(model, *_inputs(), lags=10)
    frozen = state_gradient_norms(model.requires_grad_(False), *_inputs(), lags=10)
    np.testing.assert_array_equal(free.norms["h"], frozen.norms["h"])


def test_a_gradient_that_ends_is_zero():
    """A recurrence with W = 0 passes nothing on: no step is reached, and there is no factor to speak of."""
    flow = state_gradient_norms(_linear(0.0), *_inputs(), lags=8)
    assert flow.reach() == 0  # with W = 0 even h_{T-1} does not reach the loss at T
    assert np.isnan(flow.decay())


def test_the_full_state_is_the_root_of_the_sum_of_squares():
    """total() without a name joins h and c over all layers."""
    norms = {"h": np.full((2, 1, 1), 3.0), "c": np.full((2, 1, 1), 4.0)}
    np.testing.assert_array_equal(StateGradientNorms(norms).total(), [[5.0], [5.0]])


@pytest.mark.parametrize(
    ("steps", "distance", "lanes", "words"),
    [(5, 5, 4, "T > 5"), (5, 0, 4, "at least 1"), (9, 3, 2, r"shape \(4,\); got \(2,\)")],
)
def test_wrong_input_is_named(steps, distance, lanes, words):
    """Too short an input, a distance of 0 and targets of another size are refused with both shapes."""
    inputs, _ = _inputs(steps=steps)
    with pytest.raises(CarouselError, match=words):
        state_gradient_norms(_linear(0.9), inputs, torch.zeros(lanes, dtype=torch.int64), lags=distance)
