"""Every cell of the catalogue, through the module, against finite differences."""

import pytest
import torch
from tolerances import assert_close
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import carousel
from carousel.equations.catalogue import CELLS

every_cell = pytest.mark.parametrize("name", CELLS)


def problem(name, packed=False, **options):
    """The module as a function of its input, initial states and parameters, and those."""
    module = carousel.Recurrent(CELLS[name], 2, 3, dtype=torch.float64, **options)
    layers = module.num_layers * len(module.directions)
    x = torch.randn(3, 2, 2, dtype=torch.float64)
    sequence = pack_padded_sequence(x, torch.tensor([1, 3]), enforce_sorted=False) if packed else None
    states = [torch.randn(layers, 2, 3, dtype=torch.float64) for _ in module.cell.states]
    parameters = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}

    def function(x, *rest):
        hx = rest[: len(states)] if len(states) > 1 else rest[0]
        input = sequence._replace(data=x) if packed else x
        weights = dict(zip(parameters, rest[len(states) :], strict=True))
        output, final = functional_call(module, weights, (input, hx))
        final = final if isinstance(final, tuple) else (final,)
        return (output.data if isinstance(output, PackedSequence) else output, *final)

    inputs = (sequence.data if packed else x, *states, *parameters.values())
    return function, tuple(tensor.requires_grad_() for tensor in inputs)


@every_cell
@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True, "bias": False}], ids=["forward", "both ways, no bias"]
)
def test_gradients(name, options):
    """Input, initial states and every parameter: the gradient is the slope."""
    assert torch.autograd.gradcheck(*problem(name, **options))


@every_cell
def test_gradients_of_lengths(name):
    """The same where one sequence ends before the other, both ways."""
    assert torch.autograd.gradcheck(*problem(name, packed=True, bidirectional=True))


@every_cell
def test_second_gradients(name):
    """The gradient of the gradient too (for gradient penalties, Hessian products)."""
    assert torch.autograd.gradgradcheck(*problem(name), fast_mode=True)


@every_cell
def test_unused_outputs(name):
    """Where only the output, or only one final state, is used, its gradients are its share of the whole."""
    function, inputs = problem(name, packed=True)
    outputs = function(*inputs)
    together = torch.autograd.grad(sum(value.sum() for value in outputs), inputs, retain_graph=True)
    alone = [
        torch.autograd.grad(value.sum(), inputs, retain_graph=True, materialize_grads=True)
        for value in outputs
    ]
    for whole, *shares in zip(together, *alone, strict=True):
        assert_close(sum(shares), whole)
