"""A Stack: modules of different cells, sizes and directions, as if each were called by hand."""

import copy
import pickle

import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

import carousel
from carousel import CarouselError
from carousel.diagnosis import recurrent_layers
from carousel.equations import Cell, affine, sigmoid, tanh


class Leaky(Cell):
    """A cell of one's own."""

    def step(self, x, h):
        return sigmoid(affine("f", x, h)) * h + tanh(affine("n", x))


def mixed(batch_first=False, dropout=0.0):
    """Three cells, three sizes, one module of two layers, one in both directions, in float64."""
    options = {"batch_first": batch_first, "dtype": torch.float64}
    return carousel.Stack(
        carousel.LSTM(3, 6, num_layers=2, bidirectional=True, peephole="diagonal", **options),
        carousel.Recurrent(Leaky, 12, 4, **options),
        carousel.GRU(4, 5, bidirectional=True, reset="before", **options),
        dropout=dropout,
    )


def forwards_only():
    return carousel.Stack(
        carousel.LSTM(3, 6, num_layers=2), carousel.Recurrent(Leaky, 6, 4), carousel.RNN(4, 5)
    )


def by_hand(stack, x, hx, **options):
    finals = []
    for module, state in zip(stack, hx, strict=True):
        x, final = module(x, state, **options)
        finals.append(final)
    return x, tuple(finals)


@pytest.mark.parametrize("first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize("form", ["padded", "lengths", "resets"])
def test_as_by_hand(form, first):
    """Outputs, final states and gradients are those of one module after another."""
    stack = mixed(first)
    shape = (3, 7, 3) if first else (7, 3, 3)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    options = {}
    if form == "lengths":
        options["lengths"] = [4, 7, 1]
    if form == "resets":
        options["resets"] = torch.rand(shape[:2]) < 0.3
    states = [torch.randn(*size, dtype=torch.float64) for size in ((4, 3, 6), (4, 3, 6), (1, 3, 4))]
    hx = ((states[0], states[1]), states[2], None)
    output, final = stack(x, hx, **options)
    truth, ends = by_hand(stack, x, hx, **options)
    assert output.shape[-1] == stack.output_size == 10
    assert_close((output, final), (truth, ends))
    leaves = [x, *stack.parameters()]
    assert_close(torch.autograd.grad(output.sum(), leaves), torch.autograd.grad(truth.sum(), leaves))


def test_packed_and_unbatched():
    """A packed batch gives each sequence what it gets alone, and the final states can be handed on."""
    stack = mixed()
    sequences = [torch.randn(length, 3, dtype=torch.float64) for length in (2, 6, 4)]
    output, _ = stack(pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(output)
    for index, sequence in enumerate(sequences):
        assert lengths[index] == len(sequence)
        assert_close(padded[: len(sequence), index], stack(sequence)[0])
    stack = forwards_only()
    x = torch.randn(7, 2, 3)
    first, state = stack(x[:3])
    second, _ = stack(x[3:], state)
    assert_close(torch.cat([first, second]), stack(x)[0])


def test_dropout_between_modules():
    """While training, a share of what passes from module to module is 0; the last output is left alone."""
    stack = carousel.Stack(carousel.RNN(1, 400, nonlinearity="identity", bias=False), Ones(400), dropout=0.25)
    with torch.no_grad():
        stack[0].weight_ih_l0.fill_(1)
    for x in (torch.ones(1, 20, 1), pack_sequence([torch.ones(1, 1)] * 20)):
        output = stack.train()(x)[0]
        values = output.data if isinstance(x, nn.utils.rnn.PackedSequence) else output
        assert 0.23 < (values == 0).float().mean() < 0.27
        assert_close(values[values != 0], torch.full_like(values[values != 0], 1 / 0.75))
    assert (stack.eval()(torch.ones(1, 20, 1))[0] == 1).all()


class Ones(carousel.RNN):
    """h_t = x_t."""

    def __init__(self, size):
        super().__init__(size, size, nonlinearity="identity", bias=False)
        with torch.no_grad():
            self.weight_ih_l0.copy_(torch.eye(size))
            self.weight_hh_l0.zero_()


@pytest.mark.parametrize("batch", [None, 3])
def test_stepper(batch):
    """Step by step the outputs are those of the sequence; states go in and out, and reset begins anew."""
    stack = forwards_only()
    x = torch.randn(5, *([3] if batch is None else [batch, 3]))
    expected, final = stack(x)
    stepper = stack.stepper(batch)
    for _ in range(2):
        for t in range(5):
            assert_close(stepper.step(x[t]).clone(), expected[t].detach(), name=f"step {t}")
        (h, c), (leaky,), _ = stepper.state
        assert_close((h, c, leaky), (*(s.detach() for s in final[0]), final[1].detach()))
        stepper.reset()
    stepper.state = [tuple(s) if isinstance(s, tuple) else (s,) for s in final]
    out = torch.empty_like(expected[0])
    assert stepper.step(x[0], out=out) is out
    assert_close(out, stack(x[:1], final)[0][0].detach())
    with pytest.raises(CarouselError, match="one entry for each of the 3 modules; it has 1"):
        stepper.state = [()]


def test_trace_and_recording():
    """Traces come module by module, with their place; a recording sees the same vectors."""
    stack, x = mixed(), torch.randn(6, 3, 3, dtype=torch.float64)
    options = {"lengths": [4, 6, 1], "resets": torch.rand(6, 3) < 0.3}
    traces = stack.trace(x, **options)
    with stack.recording() as recorded:
        output, _ = stack(x, **options)
        output.sum().backward()
    places = [(t.module, t.layer, t.direction) for t in traces]
    assert places == [(t.module, t.layer, t.direction) for t in recorded]
    assert [place[0] for place in places] == list("0000122")
    for one, other in zip(traces, recorded, strict=True):
        for name, value in one.values.items():
            assert_close(other.values[name], value.detach(), name=name)
        assert other.gradients["h"].any()
    assert_close(torch.cat([t.values["h"] for t in traces[-2:]], dim=-1), output)


def test_state_dict_and_copies():
    """Names are those of the modules behind their number; copies have weights of their own and the same results."""
    stack, other = mixed(), mixed()
    assert "0.weight_peephole_l1_reverse" in stack.state_dict()
    assert "2.weight_hh_l0" in stack.state_dict()
    other.load_state_dict(stack.state_dict())
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    for each in (other, copy.deepcopy(stack), pickle.loads(pickle.dumps(stack))):
        assert_close(each(x)[0], stack(x)[0])
        assert repr(each) == repr(stack)
    before = stack[1].weight_ih_l0.detach().clone()
    stack.reset_parameters()
    assert not torch.equal(before, stack[1].weight_ih_l0)


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_and_exported():
    """torch.compile takes a stack as one graph, torch.export too."""
    stack, x = forwards_only(), torch.randn(4, 2, 3)
    expected = stack(x)
    assert_close(torch.compile(stack, fullgraph=True, backend="aot_eager")(x), expected)
    assert_close(torch.export.export(stack, (x,)).module()(x), expected)


def test_every_layer_is_found():
    """What looks for recurrent layers in a model finds those of a stack."""
    assert [layer.hidden for layer in recurrent_layers(mixed())] == [6, 6, 6, 6, 4, 5, 5]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: carousel.Stack(), "at least one recurrent module"),
        (lambda: carousel.Stack(nn.GRU(3, 4)), "number 0 is a GRU. carousel.from_torch converts"),
        (
            lambda: carousel.Stack(carousel.GRU(3, 4, bidirectional=True), carousel.GRU(4, 5)),
            "input_size 8; its input",
        ),
        (
            lambda: carousel.Stack(carousel.GRU(3, 4), carousel.GRU(4, 5, batch_first=True)),
            "batch_first; that of module 0 is False, that of module 1 is True",
        ),
        (lambda: carousel.Stack(carousel.GRU(3, 4), dropout=2), "dropout must be a number from 0 to 1"),
        (
            lambda: forwards_only()(torch.zeros(2, 1, 3), torch.zeros(1, 1, 5)),
            "of the 3 modules.*is a Tensor",
        ),
        (lambda: forwards_only()(torch.zeros(2, 1, 3), (None, None)), "of the 3 modules.*it is 2 entries"),
    ],
)
def test_refused(wrong, message):
    """What does not fit is said, with what came."""
    with pytest.raises(CarouselError, match=message):
        wrong()


def test_flatten_parameters(monkeypatch):
    """Every module of the stack is asked to flatten its parameters."""
    asked = []
    monkeypatch.setattr(carousel.Recurrent, "flatten_parameters", lambda module: asked.append(module))
    stack = carousel.Stack(carousel.LSTM(3, 5), carousel.GRU(5, 4))
    stack.flatten_parameters()
    assert asked == list(stack)
