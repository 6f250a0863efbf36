"""The compiled kernels equal the equations: outputs and gradients, of every cell, on every instruction set."""

import pytest
import torch
from ops.layers import random_layer
from tolerances import assert_close

from carousel import _core
from carousel.emit import reference
from carousel.emit.call import Call
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.ops import kernels, operators, recurrence

# (T, B, I, H): one step, one sequence, widths beside and between multiples of the vector width, more rows than a
# chunk holds in time and in batch, a panel's remainder
SHAPES = [
    (1, 1, 1, 1), (5, 3, 4, 7), (7, 1, 3, 200), (6, 5, 17, 33), (3, 2, 64, 64), (530, 1, 3, 5), (3, 530, 3, 5),
]  # fmt: skip


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_kernel_equals_equations(name: str, shape: tuple[int, int, int, int], isa: str) -> None:
    """In float64 each output and gradient is the equations' to rounding, forwards and backwards in time."""
    assert kernels.has_kernel(CELLS[name].equations)
    for reverse in (False, True):
        layer = random_layer(CELLS[name].equations, *shape, reverse=reverse)
        assert_close(layer.results(compiled=True), layer.results(compiled=False), name=f"reverse={reverse}")


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_ragged_batches(name: str, bias: bool, isa: str) -> None:
    """Sequences of unequal length each end with their own final state, and begin at their own end in reverse."""
    for reverse in (False, True):
        layer = random_layer(
            CELLS[name].equations, 9, 5, 3, 21, bias=bias, reverse=reverse, lengths=[9, 9, 6, 2, 1]
        )
        assert_close(layer.results(compiled=True), layer.results(compiled=False), name=f"reverse={reverse}")


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("lengths", [None, [9, 9, 6, 2, 1]], ids=["padded", "ragged"])
@pytest.mark.parametrize("name", CELLS)
def test_resets(name: str, lengths: list[int] | None, isa: str) -> None:
    """Where a sequence begins anew its state is zero, and no gradient flows past, not even to the initial state."""
    for reverse in (False, True):
        layer = random_layer(CELLS[name].equations, 9, 5, 3, 21, reverse=reverse, lengths=lengths)
        layer.resets = torch.rand(layer.x.shape[:-1]) < 0.4
        layer.resets[0 if not reverse or lengths else -1] = True
        assert_close(layer.results(compiled=True), layer.results(compiled=False), name=f"reverse={reverse}")


@pytest.mark.parametrize("name", CELLS)
def test_float32_against_float64(name: str, isa: str) -> None:
    """Float32 stays within its own rounding of the float64 equations."""
    layer = random_layer(CELLS[name].equations, 12, 6, 9, 37)
    truth = layer.results(compiled=False)
    assert_close(layer.to(torch.float32).results(compiled=True), truth, torch.float32)


@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize(
    "shape", [(9, 1, 40, 400), (600, 1, 40, 200), (40, 2, 64, 256), (30, 7, 64, 130)], ids=str
)
@pytest.mark.parametrize("name", ["rnn-tanh", "lstm", "lstm-diagonal", "lstm-full", "gru", "gru-before"])
def test_threads_share_batch_and_units(name: str, shape: tuple[int, int, int, int], threads: int) -> None:
    """However the batch and the units of one sequence are split over threads, the result is the same."""
    layer = random_layer(CELLS[name].equations, *shape)
    truth = layer.results(compiled=False)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_close(layer.results(compiled=True), truth)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["lstm-diagonal", "gru-before"])
def test_same_bits_again(name: str) -> None:
    """The same input on the same number of threads gives the same bits, outputs and gradients."""
    layer = random_layer(CELLS[name].equations, 30, 7, 64, 130, dtype=torch.float32)
    torch.set_num_threads(2)
    try:
        first, second = layer.results(compiled=True), layer.results(compiled=True)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_inference_without_tape(name: str) -> None:
    """Without gradients nothing is kept of the past, and the outputs are bit for bit those of training."""
    layer = random_layer(CELLS[name].equations, 530, 3, 4, 20)
    with torch.no_grad():
        output, final = recurrence(layer.call)
    kept, kept_final = recurrence(layer.call)
    assert torch.equal(output, kept)
    assert all(torch.equal(one, other) for one, other in zip(final, kept_final, strict=True))


def test_strided_input() -> None:
    """Inputs of any strides give the result of their contiguous copy: batch-first, sliced, widened."""
    base = random_layer(CELLS["lstm"].equations, 6, 4, 5, 9)
    inputs = {
        "batch first": torch.randn(4, 6, 5, dtype=torch.float64).transpose(0, 1),
        "every other step": torch.randn(12, 4, 5, dtype=torch.float64)[::2],
        "every other feature": torch.randn(6, 4, 10, dtype=torch.float64)[..., ::2],
        "one sequence for all": torch.randn(6, 1, 5, dtype=torch.float64).expand(6, 4, 5),
    }
    for name, x in inputs.items():
        strided, _ = recurrence(base.call._replace(x=x))
        dense, _ = recurrence(base.call._replace(x=x.contiguous()))
        assert torch.equal(strided, dense), name


def test_only_the_gradients_asked_for() -> None:
    """A frozen input costs no gradient, and the others are what they were."""
    layer = random_layer(CELLS["lstm"].equations, 4, 2, 3, 5)
    full = layer.results(compiled=True)
    output, final = recurrence(layer.call._replace(x=layer.x.detach()))
    weight = layer.parameters["weight_hh"]
    [gradient] = torch.autograd.grad([output, *final], [weight], layer.cotangents)
    assert_close(gradient, full["gradient of weight_hh"])


@pytest.mark.parametrize("name", ["lstm-full", "gru-before"])
def test_second_derivatives(name: str) -> None:
    """The gradient of a gradient through the kernel is that through the equations."""
    layer = random_layer(CELLS[name].equations, 3, 2, 3, 4)

    def penalty(run: object) -> torch.Tensor:
        output, _ = run()  # type: ignore[operator]
        [gradient] = torch.autograd.grad(output.square().sum(), [layer.x], create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), [layer.parameters["weight_hh"]])[0]

    assert_close(penalty(layer._kernel), penalty(lambda: reference.run(layer.call)))


def test_operators_are_sound() -> None:
    """torch's own checks of a custom operator: schema, fake kernel, autograd registration, under compilation."""
    layer = random_layer(CELLS["gru"].equations, 3, 2, 3, 4)
    arguments = (
        layer.x,
        layer.initial,
        list(layer.parameters.values()),
        torch.zeros(1, 3, 2, 4, dtype=torch.float64, requires_grad=True),
        layer.equations.text,
        False,
        None,
        None,
        True,
        False,
    )
    torch.library.opcheck(operators.recurrence, arguments)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn-tanh", "rnn-relu"])
def test_infinities_and_nan_pass_through(name: str, value: float) -> None:
    """What is not a number spoils its own sequence and no other; an infinity saturates gates as it does in torch."""
    layer = random_layer(CELLS[name].equations, 5, 3, 4, 20)
    with torch.no_grad():
        layer.x[2, 1, 0] = value
    compiled, expected = layer.results(compiled=True), layer.results(compiled=False)
    output = expected["output"]
    assert output[:, [0, 2]].isfinite().all()
    assert output[:2].isfinite().all()
    assert output[2, 1].isnan().all() if value != value else not (output[2, 1] == 0).all()
    for each in ("output", *(f"{state}_T" for state in layer.equations.states)):
        assert_close(compiled[each].nan_to_num(7), expected[each].nan_to_num(7), name=each)


def test_a_wrong_shape_never_reaches_the_core() -> None:
    """The operator itself names the shapes it needs, whoever calls it."""
    layer = random_layer(CELLS["rnn-tanh"].equations, 3, 2, 3, 4)
    parameters = [*layer.parameters.values()]
    parameters[1] = parameters[1][:, :3]
    with pytest.raises(CarouselError, match=r"weight_hh.*\(4, 4\).*got.*\(4, 3\)"):
        operators.recurrence(
            layer.x, layer.initial, parameters, None, layer.equations.text, False, None, None, True, False
        )


def test_an_unknown_instruction_set_is_refused() -> None:
    """The error names what there is to choose from."""
    with pytest.raises(RuntimeError, match=f"{_core.isa()}.*'sse9'"):
        _core.choose_isa("sse9")


def test_gradients_with_create_graph_through_a_carried_state() -> None:
    """Where inputs depend on the same weights, a differentiable gradient counts every path once."""
    layer = random_layer(CELLS["gru"].equations, 6, 2, 4, 4)

    def loss() -> torch.Tensor:
        first, final = recurrence(layer.call._replace(x=layer.x[:3]))
        second, _ = recurrence(Call(layer.equations, first + layer.x[3:], final, layer.parameters))
        return second.square().sum()

    leaves = list(layer.leaves().values())
    plain = torch.autograd.grad(loss(), leaves)
    differentiable = torch.autograd.grad(loss(), leaves, create_graph=True)
    assert_close(list(differentiable), list(plain))


def test_a_tensor_given_twice_gets_each_share_once() -> None:
    """One tensor as both biases has the sum of both gradients, with and without a graph of the gradient."""
    layer = random_layer(CELLS["lstm"].equations, 3, 2, 3, 4)
    layer.parameters["bias_hh"] = layer.parameters["bias_ih"]
    output, _ = recurrence(layer.call)
    bias = layer.parameters["bias_ih"]
    [plain] = torch.autograd.grad(output.sum(), [bias], retain_graph=True)
    [differentiable] = torch.autograd.grad(output.sum(), [bias], create_graph=True)
    assert_close(differentiable, plain)


def test_many_gradients_at_once() -> None:
    """Batched gradients, as a vectorised Jacobian asks for them, are those taken one by one."""
    layer = random_layer(CELLS["gru"].equations, 3, 1, 2, 3)

    def run(x: torch.Tensor) -> torch.Tensor:
        return recurrence(layer.call._replace(x=x))[0]

    jacobian = torch.autograd.functional.jacobian
    assert_close(jacobian(run, layer.x, vectorize=True), jacobian(run, layer.x))


@pytest.mark.parametrize("sizes", [[2, 3000], [2, 2, 2, 2], [2, 1, 2], [2, 3, 0], []], ids=str)
def test_counts_that_cannot_be_never_reach_the_core(sizes: list[int]) -> None:
    """Counts of a packed batch must fall and add up to its rows."""
    layer = random_layer(CELLS["gru"].equations, 3, 2, 3, 4, lengths=[3, 2])
    parameters = list(layer.parameters.values())
    with pytest.raises(CarouselError, match=r"batch_sizes|takes x"):
        operators.recurrence(
            layer.x,
            layer.initial,
            parameters,
            None,
            layer.equations.text,
            False,
            torch.tensor(sizes),
            None,
            True,
            False,
        )


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (3, 0, 3, 4)], ids=str)
def test_nothing_to_do_is_refused_by_the_core(shape: tuple[int, int, int, int]) -> None:
    """No steps or no sequences: the operator says so instead of reading past the end."""
    layer = random_layer(CELLS["gru"].equations, *shape)
    with pytest.raises(CarouselError, match="at least one step"):
        operators.recurrence(
            layer.x,
            layer.initial,
            list(layer.parameters.values()),
            None,
            layer.equations.text,
            False,
            None,
            None,
            True,
            False,
        )


def test_other_precisions_are_refused_by_the_core() -> None:
    """Half precision must not be read as single."""
    layer = random_layer(CELLS["gru"].equations, 3, 2, 3, 4, dtype=torch.float32)
    half = [parameter.half() for parameter in layer.parameters.values()]
    with pytest.raises(CarouselError, match="float16"):
        operators.recurrence(
            layer.x.half(),
            [state.half() for state in layer.initial],
            half,
            None,
            layer.equations.text,
            False,
            None,
            None,
            True,
            False,
        )


def test_gates_close_fully(isa: str) -> None:
    """Far from zero sigmoid and tanh are exactly 0, 1 and -1, as in torch."""
    far = torch.tensor([-torch.inf, -1000.0, 1000.0, torch.inf])
    for name, function in (("rnn-sigmoid", torch.sigmoid), ("rnn-tanh", torch.tanh)):
        for dtype in (torch.float32, torch.float64):
            x = far.to(dtype).reshape(1, 4, 1)
            one, none = torch.ones(1, 1, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
            states = [torch.zeros(4, 1, dtype=dtype)]
            output, _ = recurrence(
                Call(CELLS[name].equations, x, states, {"weight_ih": one, "weight_hh": none})
            )
            assert torch.equal(output, function(x)), name
