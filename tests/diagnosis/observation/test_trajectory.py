"""A user's model is run once: states and gradients of every layer are right, and the model stays as it was."""

import random

import numpy as np
import pytest
import torch
from diagnosis.nets import Odd
from tolerances import assert_close
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import carousel
from carousel.diagnosis import observe, recurrent_layers
from carousel.errors import CarouselError

LENGTHS = [3, 7, 2, 5]


def inputs(time=7, batch=4, width=3):
    return torch.randn(time, batch, width, dtype=torch.float64)


def unrolled(module, x, lengths, weights):
    """States and gradients of every layer by autograd: a small unknown is added to each state, and asked about.

    The loss is sum(weights * output). Returns for each layer and direction the states (T + 1, B, n) and dL/ds of
    the same shape, in the layer's own order of time.
    """
    layers = recurrent_layers(module)
    lengths = torch.as_tensor(lengths)
    directions = 2 if module.bidirectional else 1
    batch = torch.arange(x.shape[1])
    unknowns, all_states = [], []
    for first in range(0, len(layers), directions):
        outputs = []
        for layer in layers[first : first + directions]:
            nudges = torch.zeros(len(x) + 1, x.shape[1], layer.size, dtype=x.dtype, requires_grad=True)
            s = nudges[0]
            states, own = [s], torch.zeros(len(x), x.shape[1], layer.hidden, dtype=x.dtype)
            for t in range(len(x)):
                source = (
                    torch.full_like(lengths, t)
                    if layer.direction == "forward"
                    else (lengths - 1 - t).clamp(min=0)
                )
                inside = (t < lengths).unsqueeze(-1)
                s = torch.where(inside, layer.step(x[source, batch], s) + nudges[t + 1], s)
                place = torch.nn.functional.one_hot(source, len(x)).T.unsqueeze(-1) * inside
                own = own + place * layer.output(s)
                states.append(s)
            unknowns.append(nudges)
            all_states.append(torch.stack(states))
            outputs.append(own)
        x = torch.cat(outputs, dim=-1)
    gradients = torch.autograd.grad((weights * x).sum(), unknowns)
    return all_states, gradients


@pytest.mark.parametrize(
    "module",
    [
        nn.RNN(3, 4), nn.LSTM(3, 4, num_layers=2), nn.GRU(3, 4, bidirectional=True),
        nn.LSTM(3, 4, num_layers=2, bidirectional=True), carousel.LSTM(3, 4, num_layers=2, peephole="full"),
        carousel.Recurrent(Odd, 3, 4, num_layers=2), carousel.GRU(3, 4, reset="before", num_layers=2),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("lengths", [[7, 7, 7, 7], LENGTHS], ids=["full", "ragged"])
def test_states_and_gradients_equal_autograd(module, lengths):
    """Every state of every layer and direction, and the loss's gradient there, are those of an unrolled network."""
    module, x = module.double(), inputs()
    width = 4 * (2 if module.bidirectional else 1)
    weights = torch.randn(7, 4, width, dtype=torch.float64)
    weights *= (torch.arange(7)[:, None] < torch.tensor(lengths)).unsqueeze(-1)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)

    def loss(output):
        return (nn.utils.rnn.pad_packed_sequence(output[0])[0] * weights).sum()

    seen = observe(module, packed, loss)
    states, gradients = unrolled(module, x, lengths, weights)
    for trajectory, s, g in zip(seen.trajectories, states, gradients, strict=True):
        assert trajectory.lengths.tolist() == lengths
        assert_close(trajectory.states, s.detach(), name=trajectory.layer.name)
        assert_close(trajectory.gradient.numbers(), g, name=trajectory.layer.name)


def same(one, other):
    """Two observations show the same layers."""
    for a, b in zip(one.trajectories, other.trajectories, strict=True):
        assert a.layer.name == b.layer.name
        assert_close(a.states, b.states)
        assert_close(a.gradient.numbers(), b.gradient.numbers())
    assert one.loss == pytest.approx(other.loss)


def test_forms_of_a_batch_are_one():
    """Time first, batch first, packed, ragged with lengths= and one sequence at a time show the same."""
    module = carousel.LSTM(3, 4, num_layers=2, bidirectional=True).double()
    other = carousel.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True).double()
    other.load_state_dict(module.state_dict())
    x = inputs()
    plain = observe(module, x)
    same(plain, observe(other, x.transpose(0, 1)))
    same(plain, observe(module, {"input": x}))
    ragged = observe(module, {"input": x, "lengths": LENGTHS})
    same(ragged, observe(module, pack_padded_sequence(x, LENGTHS, enforce_sorted=False)))
    alone = [observe(module, x[:length, b]) for b, length in enumerate(LENGTHS)]
    for b, length in enumerate(LENGTHS):
        for whole, single in zip(ragged.trajectories, alone[b].trajectories, strict=True):
            assert_close(whole.states[: length + 1, b], single.states[:, 0])
            assert_close(whole.gradient.numbers()[: length + 1, b], single.gradient.numbers()[:, 0])
    assert ragged.loss == pytest.approx(sum(each.loss for each in alone))


class Stepwise(nn.Module):
    """Calls its layers step by step, reads only states, and keeps a state between calls."""

    def __init__(self, whole):
        super().__init__()
        self.lstm, self.cell, self.head = nn.LSTM(3, 4, num_layers=2), nn.GRUCell(4, 5), nn.Linear(5, 2)
        self.whole = whole
        self.double()

    def forward(self, x):
        if self.whole:
            output, (_, c) = self.lstm(x)
        else:
            outputs, state = [], None
            for t in range(len(x)):
                output, state = self.lstm(x[t : t + 1], state)
                outputs.append(output)
            output, c = torch.cat(outputs), state[1]
        h = None
        for t in range(len(x)):
            h = self.cell(output[t], h)
        self.memory = c
        return self.head(h) + c[-1, :, :2] + output[2, :, :2]


def test_steps_in_a_loop_are_one_sequence():
    """A module called once per step, with its own states handed back, is seen as if it had been called once."""
    step, whole = Stepwise(whole=False), Stepwise(whole=True)
    whole.load_state_dict(step.state_dict())
    x = inputs()
    one, other = observe(step, x), observe(whole, x)
    same(one, other)
    assert one.calls == {"lstm": 7, "cell": 7}
    assert other.calls == {"cell": 7}
    assert not hasattr(step, "memory")


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projected_lstm_with_a_start_of_its_own():
    """Projection and initial states: the replay gives the module's output, and the loss reaches the start."""
    module = nn.LSTM(3, 6, proj_size=2, bidirectional=True, num_layers=2).double()
    h_0, c_0 = torch.randn(4, 4, 2, dtype=torch.float64), torch.randn(4, 4, 6, dtype=torch.float64)
    seen = observe(module, (inputs(), (h_0, c_0)))
    assert_close(seen["LSTM.l0"].layer.output(seen["LSTM.l0"].states[0]), h_0[0])
    assert_close(seen["LSTM.l0"].layer.part(seen["LSTM.l0"].states[0], "c"), c_0[0])
    assert torch.isfinite(seen["LSTM.l0"].gradient.log[0]).all()


def test_what_vanishes_has_a_logarithm():
    """h_t = 0.01 h_{t-1} over 400 steps, through two layers: the gradient is 1e-798 and says so."""
    module = carousel.RNN(1, 1, num_layers=2, nonlinearity="identity", bias=False)
    with torch.no_grad():
        for name, value in (("weight_ih", 1.0), ("weight_hh", 0.01)):
            getattr(module, f"{name}_l0").fill_(value)
            getattr(module, f"{name}_l1").fill_(value)
    seen = observe(module, torch.ones(400, 1, 1), loss=lambda output: output[0][-1].sum())
    weight = float(module.weight_hh_l0.detach())
    top = seen["RNN.l1"].gradient.log[:, 0]
    assert top[400 - 399].item() == pytest.approx(399 * np.log(weight), rel=1e-12)
    # the lower layer reaches step T by k + 1 ways, one for each step at which the signal goes up
    low = seen["RNN.l0"].gradient.log[:, 0]
    assert low[400 - 399].item() == pytest.approx(399 * np.log(weight) + np.log(400), rel=1e-12)


class Whole(nn.Module):
    """Everything that a diagnosis might disturb: dropout, batch norm, a frozen part, a hook, random numbers."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.lstm, self.head = nn.LSTM(3, 4, num_layers=2, dropout=0.5), nn.Linear(4, 2)
        self.head.weight.requires_grad_(False)
        self.drop.eval()
        self.register_buffer("seen", torch.zeros(()))
        self.steps = 0
        self.fired = []
        self.lstm.register_forward_hook(lambda *_: self.fired.append(1))

    def forward(self, x):
        self.seen += 1
        self.steps = self.steps + 1
        x = x + torch.rand(()) + np.random.rand() + random.random()
        x = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.head(self.drop(self.lstm(x)[0]))


def test_the_model_stays_as_it_was():
    """Weights, requires_grad, .grad, modes, buffers, attributes, hooks and three kinds of random numbers."""
    model = Whole().train()
    model.drop.eval()
    model.head.bias.grad = torch.ones(2)
    modes = [each.training for each in model.modules()]
    parameters = {
        name: (p, p.detach().clone(), p.requires_grad, p.grad) for name, p in model.named_parameters()
    }
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    hooks = [(len(each._forward_hooks), len(each._forward_pre_hooks)) for each in model.modules()]
    x = inputs().float()
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    observe(model, x)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == _fresh()
    assert [each.training for each in model.modules()] == modes
    assert [(len(each._forward_hooks), len(each._forward_pre_hooks)) for each in model.modules()] == hooks
    for name, (parameter, value, requires_grad, grad) in parameters.items():
        now = model.get_parameter(name)
        assert now is parameter
        assert torch.equal(now, value)
        assert now.requires_grad is requires_grad
        assert now.grad is grad
    for name, value in buffers.items():
        assert torch.equal(model.get_buffer(name), value), name
    assert model.steps == 0
    assert model.fired == [1]


def _fresh():
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_the_model_stays_as_it_was_after_a_failure():
    """A loss that raises leaves mode, buffers and hooks alone as well."""
    model = Whole().train()

    def loss(output):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        observe(model, inputs().float(), loss)
    assert model.training
    assert model.lstm.training
    assert model.seen.item() == 0
    assert len(model.lstm._forward_hooks) == 1


def test_frozen_models_and_no_grad_are_no_obstacle():
    """With every parameter frozen, inside torch.no_grad or on a batch made in inference mode: the same gradients."""
    model, x = nn.GRU(3, 4, num_layers=2).double(), inputs()
    free = observe(model, x)
    model.requires_grad_(False)
    with torch.no_grad():
        same(free, observe(model, x))
    with torch.inference_mode():
        same(free, observe(model, (x.clone(),)))


def test_without_gradients():
    """gradients=False only looks at the states."""
    seen = observe(nn.GRU(3, 4), inputs().float(), gradients=False)
    assert seen.loss is None
    assert seen.trajectories[0].gradient is None


def test_the_first_instances_are_kept():
    """instances=2 keeps two sequences, and their numbers are those of the whole batch."""
    module, x = nn.LSTM(3, 4, bidirectional=True).double(), inputs()
    packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    whole, some = observe(module, packed), observe(module, packed, instances=3)
    for a, b in zip(whole.trajectories, some.trajectories, strict=True):
        assert b.instances == 3
        assert_close(b.states, a.states[:, :3])
        assert_close(b.gradient.numbers(), a.gradient.numbers()[:, :3])


def test_points_are_valid_steps():
    """points() gives the steps inside the sequences, all or spread evenly."""
    seen = observe(nn.GRU(3, 4).double(), pack_padded_sequence(inputs(), LENGTHS, enforce_sorted=False))
    [trajectory] = seen.trajectories
    x, s = trajectory.points()
    assert len(x) == sum(LENGTHS)
    assert (trajectory.layer.step(x, s)[:, None] == trajectory.states.flatten(0, 1)).all(-1).any(-1).all()
    assert len(trajectory.points(5)[0]) == 5


class Fooled(nn.LSTM):
    """Not what its weights say."""

    def forward(self, input, hx=None):
        output, hx = super().forward(input, hx)
        return 2 * output, hx


@pytest.mark.parametrize(
    ("model", "batch", "words"),
    [
        (nn.Linear(3, 3), inputs(), "Linear holds no recurrent layer.*gradient_by_layer"),
        (
            nn.GRU(3, 4).double(), inputs(width=2),
            r"GRU reads inputs of width 3; this batch brings it 2, in shape \(7, 4, 2\)",
        ),
        (nn.GRU(3, 4).double(), inputs(batch=0), r"GRU was given an empty batch, of shape \(7, 0, 3\)"),
        (nn.GRU(3, 4).double(), inputs(time=0), r"GRU was given an empty batch, of shape \(0, 4, 3\)"),
        (nn.GRU(3, 4).double(), inputs() / 0, "GRU was given 84 that are NaN or infinite"),
        (
            nn.Sequential(nn.Linear(2, 3), nn.GRU(3, 4)), inputs().float(),
            r"Sequential failed on this batch, a tensor \(7, 4, 3\)",
        ),
        (Fooled(3, 4).double(), inputs(), "must compute the equations of a LSTM"),
        (Stepwise(True), (inputs(), 1), "takes 2 positional arguments but 3 were given"),
    ],
)  # fmt: skip
def test_what_cannot_be_diagnosed_is_said(model, batch, words):
    """No recurrent layer, a wrong width, an empty batch, NaN, a model that fails, one that deceives."""
    with pytest.raises(CarouselError, match=words):
        observe(model, batch)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda output: 3.0, "returned a float"),
        (lambda output: output[0].sum() / 0, "on this batch it is (inf|-inf|nan)"),
        (lambda output: output[0].detach().sum(), "must depend on the output of a recurrent layer"),
    ],
)
def test_losses_that_cannot_be_taken(loss, words):
    """A loss that is no tensor, not finite or cut off from the layers."""
    with pytest.raises(CarouselError, match=words):
        observe(nn.GRU(3, 4).double(), inputs(), loss)


def test_layers_that_the_batch_did_not_reach_are_named():
    """A model with a layer that forward does not call."""

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.GRU(3, 4), nn.GRU(3, 4)

        def forward(self, x):
            return self.used(x)

    seen = observe(Half(), inputs().float())
    assert seen.unused == ["idle.l0"]
    assert list(seen.modules) == ["used"]
    with pytest.raises(CarouselError, match=r"no layer 'idle\.l0'; there are used\.l0"):
        seen["idle.l0"]


def test_float32_is_enough_for_every_measure():
    """In float32 each measure runs and gives nearly the numbers of float64."""
    from carousel import diagnosis

    module, x = nn.LSTM(3, 6), torch.randn(30, 2, 3)
    exact, quick = (observe(module, x, dtype=each).trajectories[0] for each in (torch.float64, torch.float32))
    for name, curve in (("gradient_by_lag", "log_typical"), ("lyapunov", "exponents")):
        one, other = (getattr(getattr(diagnosis, name)(each), curve) for each in (exact, quick))
        np.testing.assert_allclose(other, one, atol=1e-3)
    np.testing.assert_allclose(
        diagnosis.gradient_by_lag(quick, exact_size=0, seed=1).log_worst,
        diagnosis.gradient_by_lag(exact, exact_size=0, seed=1).log_worst,
        atol=0.2,
    )
    assert diagnosis.memory(quick).steps == pytest.approx(diagnosis.memory(exact).steps, rel=1e-2)
    assert diagnosis.fixed_points(quick).kinds == diagnosis.fixed_points(exact).kinds == ["stable"]
    assert diagnosis.stability(quick).bound["c"] == pytest.approx(
        diagnosis.stability(exact).bound["c"], rel=1e-3
    )
    for name in ("spectrum", "saturation", "gates_over_time"):
        getattr(diagnosis, name)(quick)


def test_large_layers_are_measured_in_their_own_precision():
    """float64 by default; float32 for a float32 model of more than 512 numbers of state."""
    for module, expected in (
        (nn.LSTM(2, 8), torch.float64), (nn.LSTM(2, 257), torch.float32), (nn.LSTM(2, 257).double(), torch.float64),
    ):  # fmt: skip
        x = torch.randn(3, 1, 2, dtype=next(module.parameters()).dtype)
        assert observe(module, x).trajectories[0].states.dtype == expected
