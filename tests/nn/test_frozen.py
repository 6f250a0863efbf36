"""A frozen network gives what the module gives, to the last bit, whatever is done to the module afterwards."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.utils.prune
from equations.user_cells import USER_CELLS
from torch.nn.utils.rnn import pack_sequence
from torch.testing._internal.two_tensor import TwoTensor

import carousel
from carousel import _core
from carousel.errors import CarouselError

MODULES = {
    "lstm": lambda **o: carousel.LSTM(5, 19, **o),
    "lstm, diagonal peephole": lambda **o: carousel.LSTM(5, 19, peephole="diagonal", **o),
    "gru, reset before": lambda **o: carousel.GRU(5, 19, reset="before", **o),
    "rnn": lambda **o: carousel.RNN(5, 19, **o),
    "a user's cell": lambda **o: carousel.Recurrent(USER_CELLS["Normalised"], 5, 19, **o),
}
OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "batch_first": True},
    {"dropout": 0.5, "num_layers": 2},
]


def tensors(result):
    """The output and every final state."""
    output, final = result
    return [output, *(final if isinstance(final, tuple) else (final,))]


def assert_same(frozen, module, *arguments, **options):
    with torch.no_grad():
        expected = tensors(module(*arguments, **options))
    found = tensors(frozen(*arguments, **options))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype
        assert not ours.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_as_the_module(name, options, dtype):
    """Any shape, again, and after another: with weights packed anew, and with those of the call before."""
    module = MODULES[name](dtype=dtype, **options)
    frozen = module.frozen()
    module.eval()
    for shape in [(7, 3, 5), (7, 3, 5), (1, 1, 5), (300, 2, 5), (7, 3, 5), (6, 5)]:
        assert_same(frozen, module, torch.randn(shape, dtype=dtype))


def test_states_and_strides():
    """From given states, batched or not; x in any layout; results are the caller's alone."""
    module = carousel.LSTM(5, 19, num_layers=2, bidirectional=True).eval()
    frozen = module.frozen()
    state = torch.randn(2, 3, 4, 19).transpose(1, 2)  # not contiguous
    assert_same(frozen, module, torch.randn(7, 3, 5), (torch.randn(4, 3, 19), torch.randn(4, 3, 19)))
    assert_same(frozen, module, torch.randn(7, 3, 5), (state[0], state[1]))
    assert_same(frozen, module, torch.randn(7, 5), (torch.randn(4, 19), torch.randn(4, 19)))
    x = torch.randn(3, 14, 10).transpose(0, 1)[::2, :, ::2]
    assert_same(frozen, module, x)
    first = tensors(frozen(x))
    kept = [each.clone() for each in first]
    frozen(torch.randn(7, 3, 5))
    assert all(torch.equal(now, before) for now, before in zip(first, kept, strict=True))


def test_later_changes_do_not_reach_it():
    """Weights are a copy that is packed once, for every shape, with lengths and resets, and in bfloat16."""
    for dtype in (torch.float32, torch.bfloat16):
        module = carousel.GRU(5, 33, dtype=dtype).eval()
        frozen, x = module.frozen(), torch.randn(7, 3, 5, dtype=dtype)
        calls = [
            {"input": x},
            {"input": torch.randn(40, 2, 5, dtype=dtype)},
            {"input": x, "lengths": [3, 7, 1]},
            {"input": x, "resets": torch.rand(7, 3) < 0.3},
        ]
        with torch.no_grad():
            expected = [module(**call)[0] for call in calls]
            for parameter in module.parameters():
                parameter.zero_()
        assert torch.equal(frozen(**calls[0])[0], expected[0])
        # what nobody else can do shows that nothing is packed again; a copy does so
        frozen._module.weight_hh_l0.zero_()
        assert all(
            torch.equal(frozen(**call)[0], output) for call, output in zip(calls, expected, strict=True)
        )
        assert not torch.equal(copy.deepcopy(frozen)(**calls[0])[0], expected[0])


def test_what_the_module_takes():
    """Lengths, resets, packed sequences, other numbers and vmap go through the module's own way."""
    module = carousel.LSTM(5, 19).eval()
    frozen, x = module.frozen(), torch.randn(7, 3, 5)
    assert_same(frozen, module, x, lengths=[3, 7, 1])
    assert_same(frozen, module, x, resets=torch.rand(7, 3) < 0.3)
    with torch.no_grad():
        expected = module(pack_sequence([x[:5, 0], x[:2, 1]]))[0].data
    assert torch.equal(frozen(pack_sequence([x[:5, 0], x[:2, 1]]))[0].data, expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(frozen, module, x)
    half = carousel.LSTM(5, 19, dtype=torch.bfloat16).eval()
    assert_same(half.frozen(), half, x.bfloat16())
    many = torch.randn(4, 7, 3, 5)
    assert torch.allclose(torch.vmap(lambda each: frozen(each)[0])(many)[2], frozen(many[2])[0], atol=1e-6)
    state = torch.randn(1, 3, 19)
    assert_same(frozen, module, x, (TwoTensor(state, state), state))


class Doubling(carousel.GRU):
    """A module that does more than its class."""

    def forward(self, input, hx=None, **options):
        return super().forward(2 * input, hx, **options)


def test_what_is_put_around_a_module():
    """An overridden forward, hooks, parametrizations and layers of two dtypes count as they do in the module."""
    hooked, mixed = carousel.GRU(5, 19), carousel.GRU(5, 19, num_layers=2)
    hooked.register_forward_pre_hook(lambda module, given: (3 * given[0],))
    for name in ("weight_ih_l1", "weight_hh_l1", "bias_ih_l1", "bias_hh_l1"):
        setattr(mixed, name, torch.nn.Parameter(getattr(mixed, name).double()))
    normed = carousel.GRU(5, 19)
    torch.nn.utils.parametrizations.weight_norm(normed, "weight_hh_l0")
    for module in (Doubling(5, 19), hooked, mixed, normed):
        assert_same(module.frozen(), module.eval(), torch.randn(7, 3, 5))
    stack = carousel.Stack(carousel.GRU(5, 19))
    stack.register_forward_pre_hook(lambda module, given: (3 * given[0],))
    assert torch.equal(stack.frozen()(torch.ones(7, 3, 5))[0], stack(torch.ones(7, 3, 5))[0])


def test_pruned_weights():
    """A module whose weights torch.nn.utils computes before each call is copied with them."""
    module, x = carousel.GRU(5, 19), torch.randn(7, 3, 5)
    torch.nn.utils.prune.random_unstructured(module, "weight_hh_l0", 0.5)
    module(x)
    assert_same(module.frozen(), module.eval(), x)


def test_a_forward_of_the_instance():
    """What is set on the module counts, as in a call of it."""
    module, stack = carousel.GRU(5, 19), carousel.Stack(carousel.GRU(5, 19))
    x, zeros = torch.randn(7, 3, 5), torch.zeros(7, 3, 5)
    right = module(zeros)
    module.forward = lambda input, hx=None, **options: carousel.GRU.forward(module, zeros, hx, **options)
    assert_same(module.frozen(), module, x)
    assert torch.equal(module.frozen()(x)[0], right[0])
    stack.forward = lambda *given, **options: ("mine", None)
    assert stack.frozen()(x)[0] == "mine"


def test_copies_of_a_compiled_module(fresh_compiler):
    """After `module.compile()` a copy, a pickled one and a frozen one run with their own weights."""
    module, x = carousel.GRU(5, 19), torch.randn(7, 3, 5)
    module.compile(backend="eager")
    before = module(x)[0]
    frozen, copied, pickled = module.frozen(), copy.deepcopy(module), pickle.loads(pickle.dumps(module))
    with torch.no_grad():
        module.weight_hh_l0.zero_()
        copied.weight_ih_l0.zero_()
    assert torch.equal(frozen(x)[0], before)
    assert torch.equal(pickled(x)[0], before)
    assert not torch.equal(copied(x)[0], before)


class Model(torch.nn.Module):
    """A frozen encoder below a layer that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = carousel.GRU(5, 6).frozen()
        self.head = torch.nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.encoder(x)[0])


def test_in_a_model(fresh_compiler):
    """Its weights are saved, loaded, moved and exported with the model, and no optimiser sees them."""
    model, other, encoder, x = Model(), Model(), carousel.GRU(5, 6), torch.randn(7, 3, 5)
    assert [name for name, _ in model.named_parameters()] == ["head.weight", "head.bias"]
    model(x)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))
    model.encoder.load_state_dict(encoder.state_dict())
    assert torch.equal(model.encoder(x)[0], encoder(x)[0])
    encoder.load_state_dict(other.encoder.state_dict())
    assert torch.equal(other.encoder(x)[0], encoder(x)[0])
    assert torch.equal(torch.compile(model, backend="eager")(x), model(x))
    assert torch.equal(torch.export.export(model, (x,)).module()(x), model(x))
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))
    assert torch.allclose(model.double()(x.double()).float(), model.float()(x), atol=1e-6)
    assert not model.train().encoder.training
    stack = carousel.Stack(carousel.LSTM(5, 8), carousel.GRU(8, 7))
    frozen = carousel.Stack(carousel.LSTM(5, 8), carousel.GRU(8, 7)).frozen()
    frozen(x)
    frozen.load_state_dict(stack.state_dict())
    assert torch.equal(frozen.train()(x)[0], stack(x)[0])
    assert frozen.double()(x.double())[0].dtype == torch.float64


def test_a_parametrized_encoder_is_loaded():
    """Weights that a parametrization computes are those of the state that was loaded last."""

    def normed() -> torch.nn.Module:
        return torch.nn.utils.parametrizations.weight_norm(carousel.GRU(5, 6), "weight_hh_l0")

    frozen, module, x = normed().frozen(), normed(), torch.randn(7, 3, 5)
    frozen(x)
    frozen.load_state_dict(module.state_dict())
    assert_same(frozen, module.eval(), x)


def test_a_stack():
    """Frozen networks one on top of another."""
    stack = carousel.Stack(carousel.LSTM(5, 8, bidirectional=True), carousel.GRU(16, 7), dropout=0.5)
    frozen, x = stack.frozen(), torch.randn(6, 2, 5)
    output, ((h, c), g) = frozen(x)
    with torch.no_grad():
        expected, ((h2, c2), g2) = stack.eval()(x)
    assert all(torch.equal(a, b) for a, b in [(output, expected), (h, h2), (c, c2), (g, g2)])
    assert torch.equal(copy.deepcopy(frozen)(x, ((h, c), None))[0], stack(x, ((h, c), None))[0])
    assert torch.equal(pickle.loads(pickle.dumps(frozen))(x)[0], expected)


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda network: pickle.loads(pickle.dumps(network))}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("stacked", [False, True], ids=["Frozen", "FrozenStack"])
def test_copies(stacked, copied):
    """A copy has the weights, the hooks and the attributes, and weights that are loaded into it reach it alone."""
    module, x = carousel.LSTM(5, 19), torch.randn(7, 3, 5)
    frozen = (carousel.Stack(module) if stacked else module).frozen()
    plain = frozen(x)[0]
    frozen.register_forward_hook(double_output)
    frozen.note = {"a": [1]}
    other = copied(frozen)
    assert torch.equal(other(x)[0], 2 * plain)
    assert other.note == {"a": [1]}
    assert other.note is not frozen.note
    other.load_state_dict({name: torch.zeros_like(w) for name, w in frozen.state_dict().items()})
    assert other(x)[0].eq(0).all()
    assert torch.equal(frozen(x)[0], 2 * plain)


def double_output(module, inputs, result):
    return (2 * result[0], result[1])


def hooked(module):
    """With a hook that the frozen network has to run."""
    module.register_forward_hook(double_output)
    return module


SWAPPED = {
    "LSTM": lambda: carousel.LSTM(5, 19, num_layers=2, bidirectional=True),
    "bfloat16": lambda: carousel.GRU(5, 19, dtype=torch.bfloat16),
    "weight_norm": lambda: torch.nn.utils.parametrizations.weight_norm(carousel.GRU(5, 19), "weight_hh_l0"),
    "pruned": lambda: torch.nn.utils.prune.l1_unstructured(carousel.GRU(5, 19), "weight_hh_l0", 0.5),
    "Stack": lambda: carousel.Stack(carousel.LSTM(5, 8), carousel.GRU(8, 7)),
    "Stack with a hook": lambda: hooked(carousel.Stack(carousel.LSTM(5, 8), carousel.GRU(8, 7))),
}


@pytest.mark.parametrize("name", SWAPPED)
def test_functional_call(name):
    """torch.func.functional_call computes with the weights that it is given, and for its own call alone."""
    module = SWAPPED[name]()
    dtype = next(module.parameters()).dtype
    frozen, x = module.frozen(), torch.randn(7, 3, 5, dtype=dtype)
    given = {key: w + 0.5 for key, w in frozen.state_dict().items() if "mask" not in key}
    for options in ({}, {"lengths": [3, 7, 1]}):
        before = frozen(x, **options)[0]
        found = torch.func.functional_call(frozen, given, (x,), options)[0]
        module.load_state_dict(given, strict=False)
        expected = module.frozen()(x, **options)[0]
        assert not torch.equal(found, before)
        assert torch.equal(found, expected)
        assert torch.equal(frozen(x, **options)[0], before)
        assert frozen._packed.are_current() if isinstance(frozen, carousel.nn.Frozen) else True


def test_threads_share_it():
    """Calls at the same time, of one shape and of several, do not disturb each other."""
    module = carousel.LSTM(16, 96).eval()
    frozen = module.frozen()
    inputs = [torch.randn(20 + n % 2, 1 + n % 4, 16) for n in range(40)]
    with torch.no_grad():
        expected = [module(x)[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: frozen(x)[0], inputs))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_another_instruction_set():
    """Weights packed for one are not read by another."""
    module, x = carousel.LSTM(5, 19).eval(), torch.randn(7, 3, 5)
    frozen, before = module.frozen(), _core.isa()
    try:
        for isa in [name for name, here in _core.built_isas() if here] * 2:
            _core.choose_isa(isa)
            assert_same(frozen, module, x)
    finally:
        _core.choose_isa(before)


@pytest.mark.parametrize(
    ("x", "hx", "words"),
    [
        (torch.zeros(7, 3, 4), None, "input_size = 5"),
        (torch.zeros(7), None, "3 dimensions"),
        (torch.zeros(0, 3, 5), None, "at least one time step"),
        (torch.zeros(7, 3, 5, dtype=torch.float64), None, "dtype of the weights"),
        (torch.zeros(7, 3, 5), (torch.zeros(1, 2, 19), torch.zeros(1, 3, 19)), "h_0 in hx must have shape"),
        (torch.zeros(7, 3, 5), torch.zeros(1, 3, 19), "tuple of tensors"),
    ],
)
def test_errors(x, hx, words):
    """They are the module's."""
    module = carousel.LSTM(5, 19)
    for network in (module, module.frozen()):
        with pytest.raises(CarouselError, match=words):
            network(x, hx)
