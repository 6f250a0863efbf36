"""Products in bfloat16: the kernels equal equations that round the factors of every product, forward and backward."""

import pytest
import torch
from ops.layers import Layer, random_layer
from ops.test_compiler import MinimalGatedUnit
from tolerances import assert_near
from torch import Tensor

from carousel.emit import reference
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.ops import kernels, operators, recurrence

# (T, B, I, H): as for the exact kernels, among them odd widths, whose last depth has no neighbour to share a lane with
SHAPES = [
    (1, 1, 1, 1),
    (5, 3, 4, 7),
    (4, 1, 3, 200),
    (6, 5, 17, 33),
    (3, 2, 64, 64),
    (515, 1, 3, 5),
    (2, 530, 3, 5),
]

EVERY = {name: cell.equations for name, cell in CELLS.items()} | {"user": MinimalGatedUnit().equations}
every_cell = pytest.mark.parametrize("name", EVERY)


def rounded(tensor: Tensor) -> Tensor:
    return tensor.to(torch.bfloat16).to(tensor.dtype)


class RoundedProduct(torch.autograd.Function):
    """x W^T of rounded factors; both gradients are products of rounded factors too."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rounded(x), rounded(weight))
        return rounded(x) @ rounded(weight).T

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return rounded(gradient) @ weight, rounded(gradient).T @ x


class InBfloat16(Layer):
    """A layer whose kernel multiplies in bfloat16."""

    def _kernel(self) -> tuple[Tensor, list[Tensor]]:
        return recurrence(self.call._replace(bfloat16=True))


def check(layer: Layer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Kernel in float32 and bfloat16 against equations in float64 whose products round."""
    assert kernels.has_kernel(layer.equations)
    monkeypatch.setattr(reference.F, "linear", RoundedProduct.apply)
    truth = layer.results(compiled=False)
    single = layer.to(torch.float32)
    single = InBfloat16(**vars(single))
    assert_near(single.results(compiled=True), truth, name=name)


def drawn(equations: Equations, *shape: int, **options) -> Layer:
    """Numbers that float32 holds, so that both sides round the same ones."""
    return random_layer(equations, *shape, **options, dtype=torch.float32).to(torch.float64)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["lstm-full", "gru-before"])
def test_kernel_equals_rounded_equations(name, shape, isa, monkeypatch):
    """Each output and gradient, on every instruction set, with the instruction or without."""
    check(drawn(EVERY[name], *shape), monkeypatch, name)


@pytest.mark.usefixtures("poisoned_memory")
@every_cell
def test_ragged_batches_with_resets(name, monkeypatch):
    """Rows that share a lane may belong to different steps and sequences; ends and beginnings stay where they are."""
    for reverse in (False, True):
        layer = drawn(EVERY[name], 9, 5, 3, 21, bias=not reverse, reverse=reverse, lengths=[9, 9, 6, 2, 1])
        layer.resets = torch.rand(layer.x.shape[:-1]) < 0.3
        check(layer, monkeypatch, f"reverse={reverse}")


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("shape", [(5, 1, 40, 400), (30, 7, 65, 131)], ids=str)
@pytest.mark.parametrize("name", ["rnn-tanh", "lstm-full", "gru", "gru-before"])
def test_threads_share_batch_and_units(name, shape, threads, monkeypatch):
    """However rows and units are split over threads, the result is the same, and the same bits again."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        layer = drawn(EVERY[name], *shape)
        check(layer, monkeypatch, name)
        again = InBfloat16(**vars(layer.to(torch.float32)))
        first, second = again.results(compiled=True), again.results(compiled=True)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_strided_input():
    """Inputs of any strides give the result of their contiguous copy."""
    base = random_layer(EVERY["gru"], 6, 4, 5, 9, dtype=torch.float32)
    inputs = {
        "batch first": torch.randn(4, 6, 5).transpose(0, 1),
        "every other step": torch.randn(12, 4, 5)[::2],
        "every other feature": torch.randn(6, 4, 10)[..., ::2],
        "one sequence for all": torch.randn(6, 1, 5).expand(6, 4, 5),
    }
    for name, x in inputs.items():
        strided, _ = recurrence(base.call._replace(x=x, bfloat16=True))
        dense, _ = recurrence(base.call._replace(x=x.contiguous(), bfloat16=True))
        assert torch.equal(strided, dense), name


def test_infinities_and_nan_pass_through(isa):
    """What is not a number spoils its own sequence and no other; an infinity saturates gates as it does in torch."""
    layer = random_layer(EVERY["gru"], 5, 3, 4, 20, dtype=torch.float32)
    for value in (float("nan"), float("inf"), -float("inf")):
        x = layer.x.detach().clone()
        x[2, 1, 0] = value
        output, _ = recurrence(layer.call._replace(x=x, bfloat16=True))
        expected, _ = reference.run(layer.call._replace(x=x))
        assert torch.equal(output.isnan(), expected.isnan()), value


def test_operators_are_sound():
    """torch's own checks of a custom operator hold with products in bfloat16."""
    layer = random_layer(EVERY["gru"], 3, 2, 3, 4, dtype=torch.float32)
    parameters = list(layer.parameters.values())
    arguments = (
        layer.x,
        layer.initial,
        parameters,
        None,
        layer.equations.text,
        False,
        None,
        None,
        True,
        True,
    )
    # the equations, which a second derivative goes by, do not round
    torch.library.opcheck(operators.recurrence, arguments)


def test_only_of_float32():
    """Products in bfloat16 are a matter of float32 tensors; the operator says so."""
    layer = random_layer(EVERY["gru"], 3, 2, 3, 4)
    with pytest.raises(CarouselError, match="float32 tensors"):
        recurrence(layer.call._replace(bfloat16=True))
