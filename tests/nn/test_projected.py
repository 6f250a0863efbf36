"""proj_size: an LSTM whose h is projected, beside torch.nn's in float64."""

import copy
import re

import pytest
import torch
from nn.test_drop_in import everything
from tolerances import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import carousel
from carousel import CarouselError, from_torch, to_torch

OPTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "stacked both ways": {"num_layers": 2, "bidirectional": True},
    "both ways, batch first": {"bidirectional": True, "batch_first": True},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def both(**options) -> tuple[carousel.LSTM, nn.LSTM]:
    """Ours and theirs with the same weights, in float64."""
    ours, theirs = (
        kind(3, 7, proj_size=2, dtype=torch.float64, **options) for kind in (carousel.LSTM, nn.LSTM)
    )
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def states(module: nn.Module, batch: int | None) -> tuple[Tensor, Tensor]:
    layers = module.num_layers * (2 if module.bidirectional else 1)
    rows = (layers,) if batch is None else (layers, batch)
    return torch.randn(*rows, 2, dtype=torch.float64), torch.randn(*rows, 7, dtype=torch.float64)


@pytest.mark.usefixtures("road")
@every_option
@pytest.mark.parametrize("given", [True, False], ids=["hx", "no hx"])
def test_batched(options, given):
    """Outputs, final states and all gradients, those of weight_hr and of an initial h too, are torch's."""
    ours, theirs = both(**options)
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    hx = states(theirs, 5 if ours.batch_first else 4) if given else None
    assert_close(everything(ours, x, hx), everything(theirs, x, hx))


@every_option
def test_one_sequence(options):
    """Without a batch too."""
    ours, theirs = both(**options)
    x, hx = torch.randn(5, 3, dtype=torch.float64), states(theirs, None)
    assert_close(everything(ours, x, hx), everything(theirs, x, hx))
    assert_close(everything(ours, x), everything(theirs, x))


@every_option
@pytest.mark.parametrize("given", [True, False], ids=["hx", "no hx"])
def test_packed(options, given):
    """Sequences of different lengths, in any order."""
    ours, theirs = both(**options)
    packed = pack_padded_sequence(
        torch.randn(6, 4, 3, dtype=torch.float64), torch.tensor([2, 6, 1, 4]), enforce_sorted=False
    )
    hx = states(theirs, 4) if given else None
    assert_close(everything(ours, packed, hx), everything(theirs, packed, hx))


def test_lengths_resets_and_masks():
    """Each episode of each sequence is as if alone; a reset at the first step takes the initial h away."""
    ours, theirs = both(bidirectional=True)
    x, hx = torch.randn(6, 2, 3, dtype=torch.float64), states(theirs, 2)
    resets = torch.zeros(6, 2, dtype=torch.bool)
    resets[0, 0] = resets[2, 1] = True
    output, (h_n, c_n) = ours(x, hx, lengths=[6, 4], resets=resets)
    fresh = [torch.cat([0 * state[:1], state[1:]]) for state in hx]  # the forward direction begins from zero
    alone, ends = theirs(x[:, :1], tuple(state[:, :1] for state in fresh))
    assert_close(output[:, :1], alone)
    assert_close((h_n[:, :1], c_n[:, :1]), ends)
    early = [torch.stack([state[0, 1:], 0 * state[1, 1:]]) for state in hx]
    late = [torch.stack([0 * state[0, 1:], state[1, 1:]]) for state in hx]
    first, last = theirs(x[:2, 1:], tuple(early)), theirs(x[2:4, 1:], tuple(late))
    assert_close(output[:4, 1:], torch.cat([first[0], last[0]]))
    assert_close(h_n[:, 1], torch.stack([last[1][0][0, 0], first[1][0][1, 0]]))
    mask = torch.arange(6)[:, None] < torch.tensor([6, 0])
    _, (h_n, c_n) = ours(x, hx, mask=mask)
    assert torch.equal(h_n[:, 1], hx[0][:, 1])
    assert torch.equal(c_n[:, 1], hx[1][:, 1])


def test_same_seed_same_weights():
    """One seed gives both modules the same weights, in the same order under the same names."""
    made = []
    for kind in (carousel.LSTM, nn.LSTM):
        torch.manual_seed(3)
        made.append(kind(3, 7, 2, bidirectional=True, proj_size=2))
    assert list(made[0].state_dict()) == list(made[1].state_dict())
    assert_close(made[0].state_dict(), made[1].state_dict())


def test_same_seed_same_dropout():
    """Dropout between layers falls on the same values as torch's."""
    found = []
    for module in both(num_layers=3, dropout=0.4):
        torch.manual_seed(5)
        found.append(module(torch.ones(4, 2, 3, dtype=torch.float64))[0])
    assert_close(*found)


def test_second_order():
    """The gradient of a gradient."""
    ours, _ = both()
    x = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    h, c = (state.requires_grad_() for state in states(ours, 2))
    assert torch.autograd.gradgradcheck(lambda x, h, c: ours(x, (h, c))[0], (x, h, c), fast_mode=True)


def test_transforms():
    """vmap over sequences gives each its own result."""
    ours, _ = both()
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    assert_close(torch.vmap(lambda each: ours(each)[0])(x), torch.stack([ours(each)[0] for each in x]))


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled():
    """torch.compile takes it as one graph."""
    ours, _ = both(bidirectional=True)
    x, hx = torch.randn(5, 2, 3, dtype=torch.float64), states(ours, 2)
    assert_close(torch.compile(ours, fullgraph=True, backend="aot_eager")(x, hx), ours(x, hx))


@pytest.mark.parametrize("given", [True, False], ids=["hx", "no hx"])
@pytest.mark.parametrize("strict", [True, False])
def test_exported(strict, given):
    """An exported module takes other lengths and batches than those it was exported with."""
    ours, _ = both(bidirectional=True)
    time, batch = torch.export.Dim("time", max=100), torch.export.Dim("batch", max=100)
    shapes = {"input": {0: time, 1: batch}, "hx": ({1: batch}, {1: batch}) if given else None}

    def arguments(time, batch):
        return torch.randn(time, batch, 3, dtype=torch.float64), states(ours, batch) if given else None

    exported = torch.export.export(ours, arguments(6, 3), dynamic_shapes=shapes, strict=strict).module()
    for size in [(9, 5), (2, 2), (4, 1)]:
        other = arguments(*size)
        assert_close(exported(*other), ours(*other))


def test_converted():
    """from_torch and to_torch take it, and copies keep it."""
    _, theirs = both(num_layers=2, bidirectional=True)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    ours = from_torch(theirs)
    assert (ours.proj_size, ours.output_size) == (2, 4)
    assert repr(ours) == "LSTM(3, 7, num_layers=2, bidirectional=True, proj_size=2)"
    for module in (ours, copy.deepcopy(ours), to_torch(ours), ours.frozen()):
        assert_close(module(x), theirs(x))
    assert_close(to_torch(ours).state_dict(), theirs.state_dict())


def test_frozen_with_states():
    """A frozen one gives the same with and without initial states, in turns."""
    ours, theirs = both()
    infer, x, hx = ours.frozen(), torch.randn(5, 2, 3, dtype=torch.float64), states(theirs, 2)
    for given in (None, hx, None, hx):
        assert_close(infer(x, given), theirs(x, given))


def test_peephole():
    """Peepholes, which torch does not have, go with a projection: beside the step written out."""
    module = carousel.LSTM(3, 7, proj_size=2, peephole="diagonal", dtype=torch.float64)
    x, (h, c) = torch.randn(4, 2, 3, dtype=torch.float64), (state[0] for state in states(module, 2))
    output, final = module(x, (h[None], c[None]))
    p = dict(module.named_parameters())
    for t in range(4):
        i, f, g, o = (
            x[t] @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + p["bias_ih_l0"] + p["bias_hh_l0"]
        ).chunk(4, -1)
        peep = p["weight_peephole_l0"]
        new = torch.sigmoid(f + peep[1] * c) * c + torch.sigmoid(i + peep[0] * c) * g.tanh()
        h, c = (torch.sigmoid(o + peep[2] * new) * new.tanh()) @ p["weight_hr_l0"].T, new
        assert_close(output[t], h)
    assert_close(final, (h[None], c[None]))


def test_in_a_stack():
    """The module above reads as many numbers as the projection gives."""
    stack = carousel.Stack(carousel.LSTM(3, 7, proj_size=2, bidirectional=True), carousel.GRU(4, 5))
    assert stack(torch.randn(5, 2, 3))[0].shape == (5, 2, 5)
    with pytest.raises(CarouselError, match="input_size 4; its input_size is 14"):
        carousel.Stack(carousel.LSTM(3, 7, proj_size=2, bidirectional=True), carousel.GRU(14, 5))


def test_recorded():
    """Traces and recordings show the LSTM that runs: its h is what is projected."""
    ours, theirs = both()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    [trace] = ours.trace(x)
    assert_close(trace.values["h"] @ ours.weight_hr_l0.T, theirs(x)[0])


@pytest.mark.parametrize("size", [-1, 7, 8, 1.5, True, "2", None])
def test_sizes(size):
    """A projection makes h smaller."""
    with pytest.raises(
        CarouselError, match=re.escape("proj_size must be a whole number below hidden_size = 7")
    ):
        carousel.LSTM(3, 7, proj_size=size)


def test_what_it_does_not_take():
    """Other modules, a mask on h and a stepper are refused; an initial h has P numbers."""
    for kind in (carousel.GRU, carousel.RNN):
        with pytest.raises(CarouselError, match="only the LSTM projects its state, as in torch; it is 2"):
            kind(3, 7, proj_size=2)
    with pytest.raises(CarouselError, match="recurrent_dropout masks h"):
        carousel.LSTM(3, 7, proj_size=2, recurrent_dropout=0.5)
    with pytest.raises(CarouselError, match="A stepper takes no LSTM with proj_size"):
        carousel.LSTM(3, 7, proj_size=2).stepper()
    with pytest.raises(CarouselError, match=re.escape("h_0 in hx must have shape (1, 4, 2)")):
        carousel.LSTM(3, 7, proj_size=2)(torch.zeros(5, 4, 3), (torch.zeros(1, 4, 7), torch.zeros(1, 4, 7)))
