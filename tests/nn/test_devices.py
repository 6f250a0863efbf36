"""Other devices, where torch's operators run the cells that torch has; forced here by calling the CPU another."""

import warnings
from importlib import import_module

import pytest
import torch
from nn.episodes import FORMS, problem
from tolerances import assert_close

import carousel
from carousel.equations.catalogue import CELLS
from carousel.ops import other_devices

ours = import_module("carousel.ops.dispatch")
OPERATORS = {"lstm": "lstm", "gru": "gru", "rnn-tanh": "rnn_tanh", "rnn-relu": "rnn_relu"}
every_cell = pytest.mark.parametrize("name", OPERATORS)


@pytest.fixture
def called(monkeypatch):
    """As on another device: no kernels; gives the names of the operators that were called."""
    names = []
    monkeypatch.setattr(ours, "takes_kernel", lambda *_: False)
    monkeypatch.setattr(ours, "_is_elsewhere", lambda _: True)
    for mode, operator in list(other_devices._OPERATORS.items()):
        monkeypatch.setitem(
            other_devices._OPERATORS,
            mode,
            lambda *given, run=operator: names.append(run.__name__) or run(*given),
        )
    other_devices.warn_of_loop.cache_clear()
    return names


@every_cell
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lengths", [[6, 6, 6], [3, 6, 1]], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"bidirectional": True, "bias": False}],
    ids=str,
)
def test_operator(name, form, lengths, options, request):
    """Outputs, final states and all gradients are those of the kernels; one operator for each layer and direction."""
    case = problem(CELLS[name], lengths, **options)
    expected = case.together(form)
    called = request.getfixturevalue("called")
    assert_close(case.together(form), expected)
    parts = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    assert called == [OPERATORS[name]] * parts


def test_gradients_in_evaluation(called):
    """Without training mode gradients flow, and the operator is told to keep what they need: cuDNN would not else."""
    module = carousel.GRU(3, 5).eval()
    module(torch.randn(4, 2, 3))[0].sum().backward()
    assert called == ["gru"]
    assert module.weight_hh_l0.grad.isfinite().all()


def test_regularised(called):
    """Dropout between layers and of weights fall outside the operator; a mask on h is no equation of torch's."""
    module = carousel.LSTM(3, 50, 2, dropout=0.5, locked_dropout=True, weight_drop=0.5)
    x = torch.randn(4, 2, 3)
    assert not module(x)[0].allclose(module(x)[0])
    assert called == ["lstm"] * 4
    with pytest.warns(UserWarning, match="Masked runs on cpu as a loop"):
        carousel.LSTM(3, 5, recurrent_dropout=0.5)(x)
    assert called == ["lstm"] * 4


@every_cell
def test_second_order(name, called):
    """A gradient can be differentiated again, by the equations: operators such as cuDNN's have no second derivative."""
    module = carousel.Recurrent(CELLS[name], 3, 4, dtype=torch.float64)
    x = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: module(x, lengths=[3, 2])[0], (x,), fast_mode=True)


def test_transforms(called):
    """Under torch.func the equations run, with no operator called; the results are the same."""
    module = carousel.GRU(3, 5).double()
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    many = torch.vmap(lambda each: module(each)[0])(x)
    assert called == []
    assert_close(many, torch.stack([module(each)[0] for each in x]))
    rows = torch.autograd.functional.jacobian(lambda x: module(x)[0].sum(), x[0], vectorize=True)
    assert_close(rows, torch.func.grad(lambda x: module(x)[0].sum())(x[0]))


def test_in_place_after_the_operator(called):
    """The output belongs to the caller, who may change it in place before the backward pass."""
    module, x = carousel.LSTM(3, 5), torch.randn(4, 2, 3)
    for change in (lambda out: out.mul(2), lambda out: out.mul_(2)):
        module.zero_grad()
        change(module(x)[0]).sum().backward()
        gradient = module.weight_hh_l0.grad.clone()
    module.zero_grad()
    (2 * module(x)[0]).sum().backward()
    assert_close(gradient, module.weight_hh_l0.grad)


def test_twice_backward(called):
    """A retained graph gives the same gradient a second time."""
    module = carousel.GRU(3, 5)
    loss = module(torch.randn(4, 2, 3))[0].sum()
    loss.backward(retain_graph=True)
    once = module.weight_hh_l0.grad.clone()
    loss.backward()
    assert_close(module.weight_hh_l0.grad, 2 * once)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (carousel.GRU(3, 5, reset="before"), "torch has operators for LSTM without peepholes"),
        (carousel.LSTM(3, 5, peephole="full"), "torch has operators for LSTM without peepholes"),
    ],
    ids=["GRU reset before", "LSTM with peepholes"],
)
def test_warned_once(module, why, called):
    """A cell that torch has no operator for runs by its equations, and one warning says so and why."""
    x = torch.randn(4, 2, 3)
    title = type(module.cell).__name__
    with pytest.warns(UserWarning, match=rf"{title} runs on cpu as a loop .*: {why}"):
        output = module(x)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module(x)
    assert called == []
    assert output.isfinite().all()


def test_resets_warn(called):
    """Resets are in no operator of torch's, and the warning says that they are the reason."""
    module, x = carousel.LSTM(3, 5), torch.randn(4, 2, 3)
    with pytest.warns(UserWarning, match="LSTM runs on cpu as a loop .* torch's operator takes no resets"):
        module(x, resets=torch.zeros(4, 2, dtype=torch.bool))
    assert called == []


@pytest.mark.parametrize("name", CELLS)
def test_meta(name):
    """On the meta device shapes come without a warning, whatever the cell: nothing runs there."""
    module = carousel.Recurrent(CELLS[name], 3, 5, 2, bidirectional=True, device="meta")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output, _ = module(torch.empty(6, 2, 3, device="meta"), lengths=[2, 6])
    assert (output.shape, output.is_meta) == ((6, 2, 10), True)


def test_weights_side_by_side(monkeypatch):
    """flatten_parameters hands cuDNN the weights of each layer and direction; cells that torch lacks are left alone."""
    home, given = import_module("carousel.nn.torch_layer"), []
    monkeypatch.setattr(home, "_fits_cudnn", lambda _: True)
    monkeypatch.setattr(
        home, "_side_by_side", lambda weights, mode, hidden: given.append((len(weights), mode, hidden))
    )
    module = carousel.LSTM(3, 5, 2, bidirectional=True)
    module.double()
    assert given == [(4, "LSTM", 5)] * 4
    carousel.LSTM(3, 5, peephole="full").flatten_parameters()
    assert len(given) == 4


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled(called):
    """torch.compile takes the operator into its one graph, with gradients."""
    module, x = carousel.GRU(3, 5, bidirectional=True), torch.randn(4, 2, 3)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    leaves = list(module.parameters())
    expected, output = module(x)[0], compiled(x)[0]
    assert_close(output, expected)
    assert_close(torch.autograd.grad(output.sum(), leaves), torch.autograd.grad(expected.sum(), leaves))
