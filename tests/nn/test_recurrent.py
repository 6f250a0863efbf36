"""Any cell as a module: stacks, directions, copies, and options out of range."""

import copy
import io
import pickle

import pytest
import torch
from tolerances import assert_close

import carousel
from carousel.equations import Cell, affine, scale, sigmoid, tanh
from carousel.equations.catalogue import CELLS
from carousel.equations.derive import backward
from carousel.nn import Recurrent


class MinimalGatedUnit(Cell):
    """Zhou et al. 2016."""

    def step(self, x, h):
        f = sigmoid(affine("f", x, h))
        n = tanh(affine("n", x, f * h))
        return (1 - f) * h + f * n


class HandWrittenLSTM(Cell):
    """The LSTM once more, as a user would write it."""

    states = ("h", "c")

    def step(self, x, h, c):
        i = sigmoid(affine("i", x, h))
        f = sigmoid(affine("f", x, h))
        g = tanh(affine("g", x, h))
        c = f * c + i * g
        o = sigmoid(affine("o", x, h))
        return o * tanh(c), c


class Averages(Cell):
    """Three states: the output, a fast and a slow memory; the last is handed on as it came."""

    states = ("h", "fast", "slow")

    def step(self, x, h, fast, slow):
        new = tanh(affine("new", x, h))
        fast = 0.5 * fast + 0.5 * new
        return tanh(scale("fast", fast) + affine("slow", slow)), fast, slow


class Decay(Cell):
    """No parameters, no input."""

    def step(self, x, h):
        return 0.5 * h


def loss_after_training(module: Recurrent) -> tuple[float, float]:
    """Before and after: say whether the first of seven numbers was positive."""
    readout = torch.nn.Linear(module.hidden_size, 1)
    optimizer = torch.optim.Adam([*module.parameters(), *readout.parameters()], lr=0.03)
    losses = []
    for _ in range(60):
        x = torch.randn(7, 32, 1)
        _, final = module(x)
        logits = readout((final[0] if isinstance(final, tuple) else final)[-1])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, (x[0, :, 0] > 0).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[:5]) / 5, sum(losses[-5:]) / 5


@pytest.mark.parametrize("cell", [MinimalGatedUnit, HandWrittenLSTM])
def test_own_cell_trains(cell):
    """A cell that a user wrote learns to remember over seven steps, in two layers."""
    before, after = loss_after_training(Recurrent(cell, 1, 8, num_layers=2))
    assert before > 0.6
    assert after < 0.35


def test_own_cell_by_hand():
    """The module computes what its author wrote, step by step, with the blocks in the order of the calls."""
    module = Recurrent(MinimalGatedUnit, 2, 3, dtype=torch.float64)
    x, h = torch.randn(4, 5, 2, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    output, h_n = module(x, h[None])
    W_f, W_n = module.weight_ih_l0.chunk(2)
    U_f, U_n = module.weight_hh_l0.chunk(2)
    b_f, b_n = (module.bias_ih_l0 + module.bias_hh_l0).chunk(2)
    for t in range(4):
        f = torch.sigmoid(x[t] @ W_f.T + h @ U_f.T + b_f)
        n = torch.tanh(x[t] @ W_n.T + (f * h) @ U_n.T + b_n)
        h = (1 - f) * h + f * n
        assert_close(output[t], h, name=f"step {t}")
    assert_close(h_n[0], h)


def test_own_lstm_is_the_lstm():
    """The same equations in other words take the same weights and give the same results."""
    own = Recurrent(HandWrittenLSTM, 3, 5, num_layers=2, bidirectional=True)
    ours = carousel.LSTM(3, 5, num_layers=2, bidirectional=True)
    own.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(6, 2, 3)
    assert_close(own(x), ours(x))


def test_three_states():
    """A cell with three states takes and returns a tuple of three; a state may pass through untouched."""
    module = Recurrent(Averages(), 3, 5, num_layers=2, bidirectional=True)
    assert module.weight_peephole_l1_reverse.shape == (1, 5)
    hx = tuple(torch.randn(4, 2, 5, requires_grad=True) for _ in range(3))
    output, (h, fast, slow) = module(torch.randn(6, 2, 3), hx)
    assert output.shape == (6, 2, 10)
    assert h.shape == fast.shape == (4, 2, 5)
    assert_close(slow, hx[2])
    (output.sum() + fast.sum()).backward()
    assert all(state.grad is not None and state.grad.isfinite().all() for state in hx)


def test_no_parameters():
    """A cell may have nothing to learn."""
    output, _ = Recurrent(Decay, 3, 5)(torch.zeros(2, 1, 3), torch.ones(1, 1, 5))
    assert output[:, 0, 0].tolist() == [0.5, 0.25]


@pytest.mark.parametrize("name", CELLS)
def test_packed_is_each_alone(name):
    """A packed batch gives each sequence what it gets alone, for cells that torch does not have too."""
    module = Recurrent(CELLS[name], 3, 5, num_layers=2, bidirectional=True, dtype=torch.float64)
    sequences = [torch.randn(length, 3, dtype=torch.float64) for length in (2, 6, 4)]
    packed = torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    output, final = module(packed)
    padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(output)
    for index, sequence in enumerate(sequences):
        alone, states = module(sequence)
        assert lengths[index] == len(sequence)
        assert_close(padded[: len(sequence), index], alone)
        mine = final if isinstance(final, tuple) else (final,)
        others = states if isinstance(states, tuple) else (states,)
        assert_close([state[:, index] for state in mine], list(others))


@pytest.mark.parametrize("name", CELLS)
def test_reverse_runs_from_the_end(name):
    """The reverse direction is the forward one on the mirrored sequence."""
    module = Recurrent(CELLS[name], 3, 5, bidirectional=True, dtype=torch.float64)
    with torch.no_grad():
        for full, parameter in module.named_parameters():
            if full.endswith("_reverse"):
                parameter.copy_(getattr(module, full.removesuffix("_reverse")))
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    assert_close(module(x)[0][..., 5:], module(x.flip(0))[0][..., :5].flip(0))


@pytest.mark.parametrize("name", CELLS)
def test_window_after_window(name):
    """States carried from window to window give what the whole sequence gives."""
    module = Recurrent(CELLS[name], 3, 5, num_layers=2, dtype=torch.float64)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    whole, final = module(x)
    first, state = module(x[:3])
    second, last = module(x[3:], state)
    assert_close(torch.cat([first, second]), whole)
    assert_close(last, final)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "torch.save": lambda module: _saved(module),
}


def _saved(module):
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: carousel.RNN(3, 5, 2, nonlinearity="elu"),
        lambda: carousel.LSTM(3, 5, 2, peephole="full"),
        lambda: carousel.GRU(3, 5, 2, reset="before"),
        lambda: Recurrent(MinimalGatedUnit, 3, 5, 2),
    ],
    ids=["RNN", "LSTM", "GRU", "own"],
)
def test_copies(make, way):
    """A copy, also of a module that has run, has its own weights, the same options, results and gradients."""
    module = make()
    x = torch.randn(4, 2, 3)
    module(x)[0].sum().backward()
    copied = COPIES[way](module)
    assert repr(copied) == repr(module)
    again, before = (backward(each.cell.equations).previous["h"] for each in (copied, module))
    assert repr(again.total) == repr(before.total)
    assert_close(copied(x)[0], module(x)[0])
    copied.zero_grad()
    copied(x)[0].sum().backward()
    for (name, one), (_, other) in zip(copied.named_parameters(), module.named_parameters(), strict=True):
        assert one is not other
        assert_close(one.grad, other.grad, name=name)
    with torch.no_grad():
        copied.weight_hh_l0.add_(1)
    assert not copied(x)[0].allclose(module(x)[0])


def test_representation():
    """repr shows what differs from the defaults, as in torch."""
    assert repr(carousel.LSTM(3, 5)) == repr(torch.nn.LSTM(3, 5))
    options = {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": True}
    assert repr(carousel.GRU(3, 5, **options)) == repr(torch.nn.GRU(3, 5, **options))
    assert repr(carousel.LSTM(3, 5, peephole="full")) == "LSTM(3, 5, peephole=full)"
    assert repr(carousel.GRU(3, 5, reset="before")) == "GRU(3, 5, reset=before)"
    assert repr(carousel.RNN(3, 5, nonlinearity="elu")) == "RNN(3, 5, nonlinearity=elu)"
    assert repr(Recurrent(MinimalGatedUnit, 3, 5)) == "Recurrent(MinimalGatedUnit, 3, 5)"


def test_initial_weights():
    """Every parameter, peepholes too, starts uniform in [-1/sqrt(H), 1/sqrt(H)]."""
    module = carousel.LSTM(64, 64, peephole="diagonal")
    for name, parameter in module.named_parameters():
        assert parameter.abs().max() <= 1 / 8, name
        assert parameter.abs().max() > 0.115, name
        assert parameter.mean().abs() < 0.03, name


def test_dropout_statistics():
    """While training, a share p of what passes between layers is 0, the rest is scaled by 1 / (1 - p)."""
    module = carousel.RNN(1, 400, 2, nonlinearity="identity", bias=False, dropout=0.25)
    with torch.no_grad():
        module.weight_ih_l0.fill_(1)
        module.weight_ih_l1.copy_(torch.eye(400))
    x = torch.ones(1, 20, 1)
    values = module(x)[0]
    assert 0.23 < (values == 0).float().mean() < 0.27
    assert_close(values[values != 0], torch.full_like(values[values != 0], 1 / 0.75))
    assert_close(module.eval()(x)[0], torch.ones(1, 20, 400))


def test_weights_replaced():
    """Weights that are computed anew in each pass, as by weight_norm, are the ones that count."""
    module = carousel.LSTM(3, 5)
    x = torch.randn(4, 2, 3)
    plain = module(x)[0]
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    assert_close(module(x)[0], plain)
    with torch.no_grad():
        module.parametrizations.weight_hh_l0.original0.mul_(2)
    assert not module(x)[0].allclose(plain)
    module(x)[0].sum().backward()
    assert module.parametrizations.weight_hh_l0.original1.grad.abs().sum() > 0


def test_frozen_weights():
    """A parameter without requires_grad gets no gradient, the others do."""
    module = carousel.GRU(3, 5)
    module.weight_hh_l0.requires_grad_(False)
    module(torch.randn(4, 2, 3))[0].sum().backward()
    assert module.weight_hh_l0.grad is None
    assert module.weight_ih_l0.grad.abs().sum() > 0
