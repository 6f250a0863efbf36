"""What libraries ask of torch's recurrent layers, asked of ours."""

import copy
import pickle
from importlib import import_module

import numpy as np
import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import carousel
from carousel import CarouselError
from carousel.equations import Cell, affine, tanh

PAIRS = {
    "LSTM": (carousel.LSTM, nn.LSTM, {}),
    "GRU": (carousel.GRU, nn.GRU, {}),
    "RNN_TANH": (carousel.RNN, nn.RNN, {}),
    "RNN_RELU": (carousel.RNN, nn.RNN, {"nonlinearity": "relu"}),
}
every_pair = pytest.mark.parametrize("mode", PAIRS)
SHAPE = {"num_layers": 2, "bidirectional": True}


def both(mode, **options):
    """Ours and theirs with the same weights, in float64."""
    ours, theirs, own = PAIRS[mode]
    ours, theirs = (kind(3, 5, dtype=torch.float64, **own, **options) for kind in (ours, theirs))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@every_pair
@pytest.mark.parametrize("bias", [True, False])
def test_found_as_a_recurrent_layer(mode, bias):
    """isinstance of RNNBase, mode and the flat weights with their names are those of torch's layer."""
    ours, theirs = both(mode, bias=bias, **SHAPE)
    assert isinstance(ours, nn.RNNBase)
    assert ours.mode == theirs.mode == mode
    assert ours._flat_weights_names == theirs._flat_weights_names
    assert ours._all_weights == theirs._all_weights
    assert_close(ours._flat_weights, theirs._flat_weights)
    assert all(flat is weight for flat, weight in zip(ours._flat_weights, ours.parameters(), strict=True))


def test_flat_weights_are_those_of_now():
    """A parameter that is assigned is in the flat weights, as in torch."""
    module = carousel.GRU(3, 5)
    module.weight_hh_l0 = nn.Parameter(torch.ones(15, 5))
    assert module._flat_weights[1] is module.weight_hh_l0


def test_none_of_torchs_three():
    """torch.compile refuses every instance of torch's LSTM, GRU and RNN, so ours are none of them."""
    for kind in (carousel.LSTM, carousel.GRU, carousel.RNN):
        assert not isinstance(kind(3, 5), (nn.LSTM, nn.GRU, nn.RNN))


class Own(Cell):
    """A cell that torch does not have."""

    def step(self, x, h):
        return 0.5 * h + 0.5 * tanh(affine("h", x, h))


@pytest.mark.parametrize(
    ("module", "mode"),
    [
        (carousel.LSTM(3, 5, peephole="diagonal"), "DiagonalPeepholeLSTM"),
        (carousel.GRU(3, 5, reset="before"), "ResetBeforeGRU"),
        (carousel.RNN(3, 5, nonlinearity="elu"), "Elman"),
        (carousel.Recurrent(Own, 3, 5), "Own"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_mode_of_other_cells(module, mode):
    """A cell that torch does not have has its own name as mode, never torch's."""
    assert module.mode == mode
    assert isinstance(module, nn.RNNBase)


def test_code_that_looks_for_recurrent_layers():
    """Initialisation and switches by isinstance of RNNBase reach ours inside a model."""
    model = nn.Sequential(nn.Linear(3, 3), carousel.LSTM(3, 5, 2, dropout=0.5))
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
            module.flatten_parameters()
            for name, parameter in module.named_parameters():
                nn.init.constant_(parameter, 0.25 if "bias" in name else 0.0)
    x = torch.randn(4, 2, 3)
    assert torch.equal(model(x)[0], model(x)[0])
    assert model[1].bias_hh_l1.eq(0.25).all()


def test_moved_and_copied():
    """.to, deepcopy and pickle go torch's ways through the base class and keep the results."""
    module = carousel.LSTM(3, 5, 2)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    expected = module.double()(x)[0]
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), module.float().double()):
        assert_close(other(x)[0], expected, torch.float32)
    replica = module._replicate_for_data_parallel()
    assert list(replica._parameters) == []


@every_pair
def test_a_leaf_of_fx(mode):
    """torch.fx records a call as one node, hooks run once, and the graph computes what the model does."""
    model = Model(PAIRS[mode][0](3, 5, **PAIRS[mode][2]))
    model.rnn.register_forward_hook(lambda module, inputs, result: (2 * result[0], result[1]))
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["rnn", "out"]
    x, lengths = torch.randn(6, 2, 3), torch.tensor([6, 2])
    assert_close(traced(x, lengths), model(x, lengths))


class Model(nn.Module):
    """A recurrent layer between the arguments that it takes and a linear layer."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn, self.out = rnn, nn.Linear(5, 2)

    def forward(self, x, lengths):
        output, _ = self.rnn(x, lengths=lengths)
        return self.out(output)


def test_fx_of_a_stack():
    """A Stack inside a model becomes one node for each of its modules."""
    model = nn.Sequential(nn.Linear(3, 3), carousel.Stack(carousel.LSTM(3, 5), carousel.GRU(5, 4)))
    traced = torch.fx.symbolic_trace(model)
    x = torch.randn(6, 2, 3)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["0", "1.0", "1.1"]
    assert_close(traced(x)[0], model(x)[0])


FROZEN = {
    "Frozen": lambda: carousel.GRU(3, 5).frozen(),
    "FrozenStack": lambda: carousel.Stack(carousel.LSTM(3, 4), carousel.GRU(4, 5)).frozen(),
    "FrozenStack with a hook": lambda: hooked_stack().frozen(),
}


def hooked_stack():
    """A Stack whose frozen network runs the Stack itself."""
    stack = carousel.Stack(carousel.GRU(3, 5))
    stack.register_forward_hook(lambda module, inputs, result: (3 * result[0], result[1]))
    return stack


@pytest.mark.parametrize("name", FROZEN)
def test_fx_of_a_frozen_network(name):
    """A frozen network is one node too, and its hooks run once."""
    model = Model(FROZEN[name]())
    model.rnn.register_forward_hook(lambda module, inputs, result: (2 * result[0], result[1]))
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["rnn", "out"]
    x, lengths = torch.randn(6, 2, 3), torch.tensor([6, 2])
    assert torch.equal(traced(x, lengths), model(x, lengths))


class FromState(nn.Module):
    """A recurrent layer that reads a constant from a state that is an argument, `depth` tuples deep."""

    def __init__(self, rnn, depth):
        super().__init__()
        self.rnn, self.depth, self.x = rnn, depth, torch.ones(4, 2, 3)

    def forward(self, h):
        hx = (h, h) if self.depth else h
        return self.rnn(self.x, (hx,) if self.depth == 2 else hx)[0]


@pytest.mark.parametrize(
    ("rnn", "depth"),
    [
        (nn.LSTM(3, 5), 1),
        (carousel.GRU(3, 5), 0),
        (carousel.LSTM(3, 5), 1),
        (carousel.LSTM(3, 5).frozen(), 1),
        (carousel.Stack(carousel.LSTM(3, 5)).frozen(), 2),
    ],
    ids=["torch", "GRU", "LSTM", "Frozen", "FrozenStack"],
)
def test_fx_of_a_state(rnn, depth):
    """A call in which the state alone is traced is a node, as for torch's LSTM."""
    model, h = FromState(rnn, depth), torch.randn(1, 2, 5)
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["rnn"]
    assert_close(traced(h), model(h))


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_in_place():
    """module.compile() runs the compiled call, with torch's type as base too."""
    module, x = carousel.LSTM(3, 5), torch.randn(6, 2, 3)
    expected = module(x)[0]
    module.compile(backend="aot_eager", fullgraph=True)
    assert_close(module(x)[0], expected)


def flops(module, x, hx) -> dict[str, int]:
    """Counted forward and backward: all of them."""
    found = {}
    with FlopCounterMode(display=False) as forward:
        output, _ = module(x, hx)
    found["forward"] = forward.get_total_flops()
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    return found | {"backward": backward.get_total_flops()}


@every_pair
@pytest.mark.parametrize("wants_input", [True, False])
def test_flops(mode, wants_input):
    """The counter finds as many as in torch's layer, forward and backward."""
    ours, theirs = both(mode, **SHAPE)
    x = torch.randn(7, 4, 3, dtype=torch.float64, requires_grad=wants_input)
    h = torch.randn(4, 4, 5, dtype=torch.float64, requires_grad=True)
    hx = (h, h) if mode == "LSTM" else h
    assert flops(ours, x, hx) == flops(theirs, x, hx)
    assert flops(ours, x, hx)["forward"] > 0


def test_flops_of_padding_and_diagonals():
    """Padding and peepholes, which multiply no matrix, count nothing."""
    module = carousel.LSTM(3, 5, peephole="diagonal")
    with FlopCounterMode(display=False) as counter:
        module(torch.randn(6, 2, 3), lengths=[6, 1])
    assert counter.get_total_flops() == 2 * 7 * 20 * (3 + 5)


def test_flops_of_a_loss():
    """The fused loss over a vocabulary counts its three products, one without gradients."""
    weight, targets = torch.randn(11, 5, requires_grad=True), torch.randint(11, (6,))
    hidden = torch.randn(6, 5, requires_grad=True)
    for products, context in ((3, torch.enable_grad()), (1, torch.no_grad())):
        with context, FlopCounterMode(display=False) as counter:
            carousel.losses.linear_cross_entropy(hidden, weight, targets)
        assert counter.get_total_flops() == products * 2 * 6 * 5 * 11


@pytest.mark.parametrize("gradients", [True, False])
def test_profile(gradients):
    """A profile names the operator, forward and backward, also of a frozen network."""
    module, x = carousel.LSTM(3, 5, 2), torch.randn(6, 2, 3)
    infer = module.frozen()
    with torch.set_grad_enabled(gradients), profile(activities=[ProfilerActivity.CPU]) as found:
        output, _ = module(x)
        if gradients:
            output.sum().backward()
        else:
            infer(x)
    counts = {event.key: event.count for event in found.key_averages()}
    assert counts["carousel::recurrence"] == (2 if gradients else 4)
    assert counts.get("RecurrenceBackward", 0) == (2 if gradients else 0)


@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": 1, "bias": 0, "batch_first": np.True_, "dropout": np.float32(0.5)},
        {"bidirectional": np.bool_(True), "bias": np.False_, "batch_first": 1, "dropout": np.float64(0.5)},
    ],
    ids=["numbers", "NumPy"],
)
def test_options_that_count_as_true(options):
    """1, 0, NumPy's bools and floats serve as options, and the attributes are plain."""
    module = carousel.LSTM(3, 5, num_layers=np.int64(2), **options)
    assert (module.bidirectional, module.bias, module.batch_first) == (True, False, True)
    assert module.dropout == 0.5
    kinds = {type(each) for each in (module.bidirectional, module.bias, module.batch_first)}
    assert kinds == {bool}
    assert type(module.dropout) is float


def test_regularisers_from_numpy():
    """The options of the regularisers take the same."""
    module = carousel.LSTM(
        3, 5, locked_dropout=1, weight_drop=np.float32(0.25), recurrent_dropout=np.int64(0)
    )
    assert (module.regularisers.locked_dropout, module.regularisers.weight_drop) == (True, 0.25)
    with pytest.raises(CarouselError, match="locked_dropout must be True or False; it is 2"):
        carousel.LSTM(3, 5, locked_dropout=2)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("gone", ["bias_ih_l0", "bias_hh_l0"])
def test_a_bias_that_is_none(cell, gone):
    """A bias that was set to None counts as zeros: in calls, frozen, stepped, traced and in gradients."""
    module = getattr(carousel, cell)(3, 5)
    zeroed, x = copy.deepcopy(module), torch.randn(6, 2, 3)
    setattr(module, gone, None)
    with torch.no_grad():
        getattr(zeroed, gone).zero_()
    assert torch.equal(module(x)[0], zeroed(x)[0])
    assert torch.equal(module.frozen()(x)[0], zeroed(x)[0])
    assert torch.equal(module.stepper(2).step(x[0]), zeroed.stepper(2).step(x[0]))
    assert_close(module.trace(x)[0].values["h"], zeroed.trace(x)[0].values["h"])
    kept = [name for name, _ in module.named_parameters()]
    assert gone not in kept
    of_both = [
        torch.autograd.grad(each(x)[0].sum(), [getattr(each, name) for name in kept])
        for each in (module, zeroed)
    ]
    assert_close(*of_both)


@pytest.mark.parametrize("gone", ["bias_ih_l0", "bias_hh_l0"])
def test_reset_without_a_bias(gone):
    """reset_parameters leaves out a bias that is None, and draws the rest as torch does."""
    modules = carousel.LSTM(3, 5), nn.LSTM(3, 5)
    for module in modules:
        module.register_parameter(gone, None)
        torch.manual_seed(3)
        module.reset_parameters()
    assert len(modules[0].state_dict()) == 3
    assert_close(modules[0].state_dict(), modules[1].state_dict())


def test_a_start_without_a_bias():
    """The start that a cell asks of a bias goes to the one of the two that is left."""

    class Started(Cell):
        def step(self, x, h):
            return tanh(affine("a", x, h, bias=1.0))

    module = carousel.Recurrent(Started, 3, 5)
    module.bias_ih_l0 = None
    module.reset_parameters()
    assert module.bias_hh_l0.eq(1).all()


def test_old_pickles():
    """A module pickled before modules were torch.nn.RNNBase, with the attributes of then, runs as it did."""
    module, x = carousel.LSTM(3, 5, 2, bidirectional=True), torch.randn(6, 2, 3)
    then = set(nn.Module().__dict__) | {
        "cell", "regularisers", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional",
        "dropout", "_layers", "peephole",
    }  # fmt: skip
    state = {name: value for name, value in module.__getstate__().items() if name in then}
    old = carousel.LSTM.__new__(carousel.LSTM)
    old.__setstate__(pickle.loads(pickle.dumps(state)))
    assert torch.equal(old(x)[0], module(x)[0])
    assert old.mode == "LSTM"
    assert import_module("carousel.nn.recurrent").Part is type(
        old._layers[0][0]
    )  # where pickles of then look for it
    assert old.double()(x.double())[0].dtype == torch.float64
