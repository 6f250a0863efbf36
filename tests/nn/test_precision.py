"""bfloat16 by module dtype and by autocast: what comes out, how exact it is, and who else may ask for it."""

import copy
import threading

import pytest
import torch
from tolerances import AGAINST_EXACT, assert_near

import carousel
from carousel import _core
from carousel.emit.call import Call
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.ops import recurrence

# relu: rounding may carry a sum past the jump of its derivative; tests/ops/test_bfloat16.py holds it to equal rounding
every_cell = pytest.mark.parametrize("name", [name for name in CELLS if name != "rnn-relu"])
bfloat16 = torch.bfloat16


def module_of(name, **options):
    return carousel.Recurrent(CELLS[name], 24, 40, **options)


def gradients(module, x, loss_of=torch.sum):
    """The gradient of every parameter and of x, for a loss that weighs each output differently."""
    x = x.clone().requires_grad_()
    output, _ = module(x)
    weights = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).reshape(output.shape)
    module.zero_grad()
    loss_of(output * weights.to(output.dtype)).backward()
    return {"x": x.grad} | {full: parameter.grad for full, parameter in module.named_parameters()}


@every_cell
def test_autocast_against_float64(name):
    """Gradients under autocast are float32 and near those of float64, in a stack of two directions."""
    module = module_of(name, num_layers=2, bidirectional=True)
    x = torch.randn(20, 4, 24)
    truth = gradients(copy.deepcopy(module).double(), x.double())
    with torch.autocast("cpu", bfloat16):
        found = gradients(module, x)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    assert_near(found, truth, AGAINST_EXACT)
    assert any(not torch.equal(found[full], gradients(module, x)[full]) for full in found)  # it did round


@every_cell
def test_module_in_bfloat16(name):
    """x, output, every final state and every gradient of a module in bfloat16 are bfloat16, and near the truth."""
    module = module_of(name, bidirectional=True).to(bfloat16)
    x = torch.randn(20, 4, 24).to(bfloat16)
    output, final = module(x)
    states = final if isinstance(final, tuple) else (final,)
    assert {tensor.dtype for tensor in (output, *states)} == {bfloat16}
    truth = gradients(copy.deepcopy(module).double(), x.double())
    found = gradients(module, x)
    assert {gradient.dtype for gradient in found.values()} == {bfloat16}
    assert_near(found, truth, AGAINST_EXACT)


@every_cell
@pytest.mark.parametrize("form", ["module", "autocast"])
def test_products_are_rounded(name, form):
    """The output is that of rounded factors, bit for bit, and not that of exact ones rounded at the end."""
    module, x = module_of(name), torch.randn(20, 4, 24)
    if form == "module":
        module, x = module.to(bfloat16), x.to(bfloat16)
    with torch.autocast("cpu", bfloat16, enabled=form == "autocast"):
        found = module(x)[0]
    parameters = {full.removesuffix("_l0"): p.detach().float() for full, p in module.named_parameters()}
    initial = [torch.zeros(4, 40) for _ in module.cell.states]
    rounded, exact = (
        recurrence(Call(module.cell.equations, x.float(), initial, parameters, bfloat16=bfloat))[0].to(
            bfloat16
        )
        for bfloat in (True, False)
    )
    assert torch.equal(found, rounded)
    assert (found != exact).float().mean() > 0.02


def test_states_stay_in_float32():
    """A cell that adds a little at every step does not lose it, as it would in a bfloat16 state."""
    module = carousel.RNN(1, 1, nonlinearity="identity", bias=False).to(bfloat16)
    with torch.no_grad():
        module.weight_ih_l0.fill_(1)
        module.weight_hh_l0.fill_(1)
    lstm = carousel.LSTM(1, 1).to(bfloat16)
    with torch.no_grad():  # gates wide open: c adds tanh(x) for ever
        for full, parameter in lstm.named_parameters():
            parameter.fill_(0)
            if full == "bias_ih_l0":
                parameter.copy_(torch.tensor([20.0, 20.0, 0.0, 20.0]))
        lstm.weight_ih_l0[2] = 1
    x = torch.full((1000, 1, 1), 0.0009765625, dtype=bfloat16)
    c_n = lstm(x)[1][1].item()
    assert abs(c_n - 1000 * 0.0009765625) < 0.01
    assert module(x)[0].dtype == bfloat16


@pytest.mark.parametrize("isa", [name for name, here in _core.built_isas() if here])
def test_everywhere(isa):
    """With the instruction or without, autocast gives the same results to rounding."""
    module, x = module_of("lstm-diagonal"), torch.randn(20, 4, 24)
    before = _core.isa()
    with torch.autocast("cpu", bfloat16):
        expected = gradients(module, x)
        _core.choose_isa(isa)
        try:
            found = gradients(module, x)
        finally:
            _core.choose_isa(before)
    assert_near(found, expected)


def test_in_turn_with_torch():
    """Torch's products in bfloat16 may use the same tile registers: neither side finds them as the other left them."""
    module, x = module_of("lstm"), torch.randn(20, 4, 24)
    left, right = torch.randn(70, 90).to(bfloat16), torch.randn(90, 50).to(bfloat16)
    with torch.autocast("cpu", bfloat16):
        expected, product = gradients(module, x), left @ right
        for _ in range(3):
            found = gradients(module, x)
            assert torch.equal(left @ right, product)
            assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert_near(product.float(), left.double() @ right.double(), AGAINST_EXACT)


def test_lengths_and_resets():
    """Ragged batches and resets in bfloat16 are near those in float64."""
    module, x = module_of("gru", bidirectional=True), torch.randn(12, 3, 24)
    lengths, resets = [12, 5, 1], torch.rand(12, 3) < 0.2
    truth = copy.deepcopy(module).double()(x.double(), lengths=lengths, resets=resets)
    with torch.autocast("cpu", bfloat16):
        found = module(x, lengths=lengths, resets=resets)
    assert_near(found[0].float(), truth[0], AGAINST_EXACT)
    assert_near(found[1].float(), truth[1], AGAINST_EXACT)
    assert not found[0][5:, 1].any()


def test_compiled():
    """torch.compile sees one node under autocast too."""
    module, x = module_of("lstm"), torch.randn(6, 2, 24)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    with torch.autocast("cpu", bfloat16):
        expected, found = module(x), compiled(x)
    assert torch.equal(found[0], expected[0])
    assert found[0].dtype == bfloat16


def test_second_derivatives():
    """A gradient of a gradient goes by the equations, in float32."""
    module = module_of("gru").to(bfloat16)
    x = torch.randn(4, 2, 24).to(bfloat16).requires_grad_()
    [gradient] = torch.autograd.grad(module(x)[0].float().square().sum(), [x], create_graph=True)
    [second] = torch.autograd.grad(gradient.float().square().sum(), [module.weight_hh_l0])
    assert second.dtype == bfloat16
    assert second.isfinite().all()
    assert second.any()


def test_autocast_to_float16_leaves_it_alone():
    """Only bfloat16 has kernels: autocast to float16 computes in the dtype of the weights."""
    module, x = module_of("gru"), torch.randn(4, 2, 24)
    with torch.autocast("cpu", torch.float16):
        output, _ = module(x)
    assert torch.equal(output, module(x)[0])


def test_other_dtypes_are_refused():
    """Without autocast the input comes in the dtype of the weights."""
    with pytest.raises(CarouselError, match="bfloat16"):
        module_of("gru").to(bfloat16)(torch.randn(4, 2, 24))


def test_several_threads_on_one_module():
    """Python threads that share a module, each with its own input and precision, get what they get alone."""
    module = module_of("lstm")
    inputs = [torch.randn(30, 3, 24) for _ in range(4)]

    def run(x, narrow):
        with torch.autocast("cpu", bfloat16, enabled=narrow):
            leaf = x.clone().requires_grad_()
            output, _ = module(leaf)
            [gradient] = torch.autograd.grad(output.float().sum(), [leaf])
        return output.detach(), gradient

    expected = [run(x, index % 2 == 0) for index, x in enumerate(inputs)]
    found = {}

    def work(index):
        for _ in range(20):
            found[index] = run(inputs[index], index % 2 == 0)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, (output, gradient) in enumerate(expected):
        assert torch.equal(found[index][0], output)
        assert torch.equal(found[index][1], gradient)
