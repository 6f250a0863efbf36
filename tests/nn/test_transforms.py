"""What works with torch.nn works here: other dtypes and devices, autocast, transforms, export."""

import copy
import threading

import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, stack_module_state, vmap

import carousel
from carousel import CarouselError
from carousel.equations import Cell, affine, layer_norm, mean, param, sigmoid, tanh
from carousel.equations.catalogue import CELLS as CATALOGUE


class Shared(Cell):
    """A cell of one's own, with layer normalisation, a mean over units and learned vectors."""

    states = ("h", "c")

    def step(self, x, h, c):
        f = sigmoid(param("gain", init=1) * layer_norm(affine("f", x, h), 0.1) + param("offset"))
        c = f * c + (1 - f) * tanh(affine("g", x, h) - mean(h))
        return layer_norm(c, 0.1), c


CELLS = {**CATALOGUE, "shared": Shared()}

every_cell = pytest.mark.parametrize("name", CELLS)


def module_of(name: str, **options) -> carousel.Recurrent:
    return carousel.Recurrent(CELLS[name], 3, 5, **options)


@pytest.mark.parametrize("name", CATALOGUE)  # normalising five units blows half precision up
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision(name, dtype):
    """In bfloat16 and float16 a module gives the results and gradients of its weights in float64, roughly."""
    module = module_of(name, num_layers=2).to(dtype)
    truth = copy.deepcopy(module).double()
    x = torch.randn(6, 2, 3).to(dtype)
    output, truly = module(x)[0], truth(x.double())[0]
    assert output.dtype == dtype
    assert_close(output.double(), truly, dtype)
    output.sum().backward()
    truly.sum().backward()
    for (full, parameter), other in zip(module.named_parameters(), truth.parameters(), strict=True):
        assert_close(parameter.grad.double(), other.grad, dtype, name=full)


@every_cell
def test_to_and_back(name):
    """.to(float64) changes parameters, input and results together."""
    module = module_of(name)
    x = torch.randn(6, 2, 3)
    expected = module(x)[0]
    module.to(torch.float64)
    assert module(x.double())[0].dtype == torch.float64
    assert_close(module(x.double())[0], expected, torch.float32)
    assert_close(module.float()(x)[0], expected)


@every_cell
def test_default_dtype(name):
    """dtype at construction is that of every parameter."""
    assert {p.dtype for p in module_of(name, dtype=torch.float64).parameters()} == {torch.float64}


@every_cell
def test_meta_device(name):
    """On the meta device modules are made and shapes computed without memory, packed too."""
    module = module_of(name, num_layers=2, bidirectional=True, device="meta")
    assert all(parameter.is_meta for parameter in module.parameters())
    output, final = module(torch.empty(6, 2, 3, device="meta"))
    assert output.is_meta
    assert output.shape == (6, 2, 10)
    assert (final[0] if isinstance(final, tuple) else final).shape == (4, 2, 5)
    module.to_empty(device="cpu").reset_parameters()
    assert module(torch.randn(6, 2, 3))[0].isfinite().all()


class Own(Cell):
    """A cell without a kernel."""

    def step(self, x, h):
        return 0.5 * h + 0.5 * tanh(affine("h", x, h))


@pytest.mark.parametrize("cell", [*CELLS.values(), Own()], ids=[*CELLS, "own"])
def test_autocast(cell):
    """Under autocast inputs and states may be in either dtype, results are in autocast's, gradients in the weights'."""
    module = carousel.Recurrent(cell, 3, 5, num_layers=2)
    x = torch.randn(6, 2, 3)
    expected = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(module(x), tree(expected, torch.Tensor.bfloat16))
        narrow = nn.functional.linear(x, torch.eye(3))  # what a layer below would hand on
        assert narrow.dtype == torch.bfloat16
        assert_close(module(narrow), module(narrow.float()))
        loss = module(x, tree(expected[1], torch.Tensor.bfloat16))[0].sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in module.parameters())


def tree(states, function):
    return tuple(tree(state, function) for state in states) if isinstance(states, tuple) else function(states)


@every_cell
def test_vmap_over_modules(name):
    """An ensemble of modules runs as one by vmap over their stacked weights."""
    modules = [module_of(name) for _ in range(3)]
    parameters, buffers = stack_module_state(modules)
    x = torch.randn(6, 2, 3)
    outputs = vmap(lambda p: functional_call(modules[0], (p, buffers), (x,))[0])(parameters)
    assert_close(outputs, torch.stack([module(x)[0] for module in modules]))


@every_cell
def test_gradient_of_each_sample(name):
    """vmap of grad gives each sequence's own gradient."""
    module = module_of(name)
    parameters = dict(module.named_parameters())
    x = torch.randn(4, 6, 3)  # four sequences

    def loss(parameters, sequence):
        return functional_call(module, parameters, (sequence,))[0].square().sum()

    each = vmap(grad(loss), in_dims=(None, 0))({k: v.detach() for k, v in parameters.items()}, x)
    for index in range(4):
        alone = torch.autograd.grad(loss(parameters, x[index]), list(parameters.values()))
        assert_close([value[index] for value in each.values()], list(alone))


@every_cell
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, when jvp is first used
def test_jacobians(name):
    """jacrev gives the Jacobian of the last output; jvp and autograd's functional agree with it."""
    module = module_of(name, dtype=torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64)
    tangent = torch.randn_like(x)

    def last(x):
        return module(x)[0][-1]

    jacobian = jacrev(last)(x)
    assert_close(torch.autograd.functional.jacobian(last, x), jacobian)
    assert_close(jvp(last, (x,), (tangent,))[1], torch.einsum("hti,ti->h", jacobian, tangent))
    for t in range(4):  # what comes first matters in the end
        assert jacobian[:, t].abs().sum() > 0


@every_cell
def test_second_order(name):
    """A gradient penalty: the gradient of the norm of a gradient, equal to its slope."""
    module = module_of(name, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)

    def penalty():
        [slope] = torch.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
        return slope.square().sum()

    [gradient] = torch.autograd.grad(penalty(), module.weight_hh_l0)
    with torch.no_grad():
        module.weight_hh_l0[0, 0] += 1e-5
    high = penalty()
    with torch.no_grad():
        module.weight_hh_l0[0, 0] -= 2e-5
    assert gradient[0, 0].item() == pytest.approx((high - penalty()).item() / 2e-5, rel=1e-5, abs=1e-7)


@every_cell
def test_no_grad(name):
    """Without gradients, and in inference mode, the results are the same and carry no graph."""
    module = module_of(name)
    x = torch.randn(6, 2, 3)
    expected = module(x)[0]
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            output = module(x)[0]
        assert not output.requires_grad
        assert_close(output, expected)


@every_cell
def test_export(name):
    """torch.export takes a module and gives one that computes the same."""
    module = module_of(name, num_layers=2, bidirectional=True)
    x = torch.randn(4, 2, 3)
    exported = torch.export.export(module, (x,)).module()
    assert_close(exported(x), module(x))


def test_in_a_model():
    """Between an embedding and a linear layer a module is one like any other."""
    model = nn.ModuleDict({"embed": nn.Embedding(7, 3), "rnn": carousel.GRU(3, 5), "out": nn.Linear(5, 7)})
    tokens = torch.randint(7, (6, 2))
    loss = model["out"](model["rnn"](model["embed"](tokens))[0]).sum()
    loss.backward()
    assert nn.utils.clip_grad_norm_(model.parameters(), 1.0) > 0
    assert "rnn.weight_hh_l0" in model.state_dict()


@pytest.mark.usefixtures("fresh_compiler")
@every_cell
def test_compile_makes_one_graph(name):
    """torch.compile takes a module whole, forward and backward: outputs and gradients are those without it."""
    module = module_of(name, num_layers=2, bidirectional=True)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for batch in (2, 3):
        x = torch.randn(6, batch, 3, requires_grad=True)
        expected, output = module(x)[0], compiled(x)[0]
        assert_close(output, expected)
        leaves = [x, *module.parameters()]
        assert_close(
            torch.autograd.grad(output.square().sum(), leaves),
            torch.autograd.grad(expected.square().sum(), leaves),
        )


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("options", [{}, {"recurrent_dropout": 0.5}], ids=str)
@pytest.mark.parametrize("form", ["new", "copied"])
def test_compile_before_the_first_call(form, options):
    """A module that was never called, or a copy of one, compiles whole, in training too."""
    module = carousel.LSTM(3, 4, **options)
    module = copy.deepcopy(module) if form == "copied" else module
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = torch.randn(5, 2, 3)
    output, _ = compiled(x)
    assert output.shape == (5, 2, 4)
    assert_close(compiled.eval()(x)[0], module(x)[0])


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}], ids=str
)
def test_lengths_are_compiled_and_exported(options):
    """With lengths too a module is one graph, which serves all lengths and checks them when it runs."""
    module = carousel.LSTM(3, 4, **options)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = torch.randn(5, 5, 3)
    exported = torch.export.export(module, (x,), {"lengths": torch.tensor([2, 5, 4, 1, 3])}).module()
    for given in ([2, 5, 4, 1, 3], [5, 5, 5, 5, 5], [1, 1, 1, 1, 1], [1, 2, 2, 1, 1]):
        lengths = torch.tensor(given)
        expected, output = module(x, lengths=lengths), compiled(x, lengths=lengths)
        assert_close(output, expected)
        assert_close(exported(x, lengths=lengths), expected)
        assert_close(
            torch.autograd.grad(output[0].square().sum(), list(module.parameters())),
            torch.autograd.grad(expected[0].square().sum(), list(module.parameters())),
        )
    for run in (compiled, exported):
        with pytest.raises(CarouselError, match=r"from 1 to the 5 steps of the input; lengths\[1\] is 6"):
            run(x, lengths=torch.tensor([1, 6, 2, 3, 4]))


def test_one_node():
    """A layer in one direction is one node of the exported graph, however long the sequence."""
    module = carousel.LSTM(3, 5, num_layers=2, bidirectional=True)
    for time in (4, 40):
        graph = torch.export.export(module, (torch.randn(time, 2, 3),)).graph
        assert sum("carousel.recurrence" in str(node.target) for node in graph.nodes) == 4


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.torch.jit:DeprecationWarning")
def test_jit_trace():
    """torch.jit.trace gives a graph that takes other batches and lengths, and has gradients."""
    module = carousel.LSTM(3, 5, num_layers=2, bidirectional=True)
    traced = torch.jit.trace(module, (torch.randn(6, 2, 3),))
    x = torch.randn(9, 4, 3)
    assert_close(traced(x), module(x))
    leaves = list(module.parameters())
    assert_close(
        torch.autograd.grad(traced(x)[0].sum(), leaves), torch.autograd.grad(module(x)[0].sum(), leaves)
    )


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute:UserWarning"
)  # the compiler looks at all of its inputs
def test_recording_inside_a_compiled_model():
    """Where a graph may be cut, a compiled model is recorded as it is without compilation."""
    module, x = carousel.LSTM(3, 5), torch.randn(6, 2, 3)
    model = nn.Sequential(nn.Linear(3, 3), module)
    compiled = torch.compile(model, backend="aot_eager")
    seen = []
    for each in (model, compiled):
        with carousel.recording(model) as recorded:
            each(x)[0].square().sum().backward()
        seen.append((recorded[0].values["f"], recorded[0].gradients["c"]))
    assert_close(seen[1], seen[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_several_threads_run_one_module(threads):
    """Threads of Python share a module, each with its own input, forward and backward, without mixing anything up."""
    module = module_of("lstm", num_layers=2)
    inputs = [torch.randn(5 + index, 3, 3, requires_grad=True) for index in range(4)]

    def answer(x):
        output, _ = module(x)
        return output.detach(), torch.autograd.grad(output.square().sum(), x)[0]

    expected = [answer(x) for x in inputs]
    found: dict[int, list] = {index: [] for index in range(4)}

    def work(index):
        torch.set_num_threads(threads)
        found[index] += [answer(inputs[index]) for _ in range(20)]

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for index, answers in found.items():
        assert len(answers) == 20
        for each in answers:
            assert_close(each, expected[index])


def test_python_goes_on_while_a_kernel_runs():
    """The kernel does not hold the interpreter's lock: another thread counts while one long call runs."""
    module, x = carousel.LSTM(64, 256), torch.randn(800, 8, 64)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    with torch.no_grad():
        module(x[:1])
        counter = threading.Thread(target=count)
        counter.start()
        try:
            ahead = 0
            for _ in range(20):  # a switch of threads may fall just before or after one call
                before = counted[0]
                torch.ops.carousel.recurrence(*_arguments(module, x))
                ahead = max(ahead, counted[0] - before)
        finally:
            stop.set()
            counter.join()
    assert ahead > 1000


def _arguments(module, x):
    state = torch.zeros(x.shape[1], module.hidden_size)
    cell = module.cell.equations.text
    return x, [state, state], list(module.parameters()), None, cell, False, None, None, False, False
