"""The derived backward pass against autograd through the reference, for every cell and every gradient."""

import pytest
import torch
from equations.evaluation import DerivedStep, random_step
from equations.user_cells import USER_CELLS
from tolerances import assert_close
from torch import Tensor

from carousel.emit.reference import OPERATIONS
from carousel.equations import Cell, above, affine, elu, language, maximum, minimum, relu, scale, tanh
from carousel.equations.catalogue import CELLS
from carousel.equations.derive import SLOPES, backward
from carousel.equations.graph import LEAVES, REDUCTIONS, constant

ALL = CELLS | USER_CELLS
every_cell = pytest.mark.parametrize("cell", ALL.values(), ids=ALL.keys())


def both(cell: Cell, zero: bool = False) -> tuple[DerivedStep, dict[object, Tensor]]:
    """The derived step, and autograd's gradient of every leaf (by name) and every vector (by node)."""
    step = random_step(cell.equations)
    if zero:
        with torch.no_grad():
            for tensor in (step.x, *step.states, *step.parameters.values()):
                tensor.zero_()
    vectors = step.vectors
    new = [vectors[node].expand_as(step.states[0]) for node in cell.equations.new_states]
    cotangents = [torch.randn_like(state) for state in step.states]
    states = {
        f"{state} before": value for state, value in zip(cell.equations.states, step.states, strict=True)
    }
    inside = {node: v for node, v in vectors.items() if node.operation not in LEAVES and v.requires_grad}
    wanted = {"x": step.x, **states, **step.parameters, **inside}
    ends = [(end, c) for end, c in zip(new, cotangents, strict=True) if end.requires_grad]
    gradients = torch.autograd.grad(
        [end for end, _ in ends], list(wanted.values()), [c for _, c in ends], allow_unused=True
    )
    derived = DerivedStep(step, dict(zip(cell.equations.states, cotangents, strict=True)))
    return derived, dict(zip(wanted, gradients, strict=True))


def leaf_gradients(derived: DerivedStep) -> dict[object, Tensor]:
    """What the derived step sends to x, the previous states and the parameters."""
    x = derived.derived.input
    return {
        "x": torch.zeros_like(derived.step.x) if x is None else derived.value(x),
        **{f"{state} before": gradient for state, gradient in derived.previous().items()},
        **derived.parameters(),
    }


@every_cell
def test_leaves(cell):
    """Gradients of the input, of each previous state and of every parameter equal autograd's."""
    derived, expected = both(cell)
    for name, actual in leaf_gradients(derived).items():
        zero = torch.zeros_like(actual)
        assert_close(actual, zero if expected[name] is None else expected[name], name=str(name))


@every_cell
def test_vectors_inside(cell):
    """So does the gradient of every vector inside the step, and where autograd has none there is none."""
    derived, expected = both(cell)
    for node in cell.equations.nodes:
        if node not in expected:  # a leaf, or a vector that depends on nothing learned
            continue
        if expected[node] is None:
            assert node not in derived.derived.gradients
        else:
            actual = derived.value(derived.derived.gradients[node])
            assert_close(actual.sum_to_size(expected[node].shape), expected[node], name=repr(node))


class Ties(Cell):
    """At zero every function with a corner stands on it."""

    states = ("h", "c")

    def step(self, x, h, c):
        a = affine("a", x, h)
        corner = maximum(a, c) + 2 * minimum(a, h) + 3 * maximum(c, 0) + 5 * minimum(0, c)
        return corner + 7 * relu(a) + 11 * elu(a), tanh(a) * above(a, c)


def test_corners():
    """At a corner relu, elu, maximum and minimum have the slopes that torch gives them."""
    derived, expected = both(Ties(), zero=True)
    for name, actual in leaf_gradients(derived).items():
        assert_close(actual, expected[name], name=str(name))


def test_every_function_has_a_slope():
    """Each word and each operator of the language is derived here and computed by the reference."""
    words = set(language.__all__) - {"affine", "scale", "param", "identity", "layer_norm"}
    switches = {"passed", "shared"}  # of gradients alone
    assert set(SLOPES) == (set(OPERATIONS) - switches) | REDUCTIONS == words | {"+", "-", "*", "/", "neg"}


def test_nothing_flows_where_nothing_depends():
    """A product behind a step, or thrown away, has no delta; a state that is not read gets nothing back."""
    derived = backward(USER_CELLS["UnusedProduct"].equations)
    assert [affine.name for affine in derived.deltas] == ["b"]
    derived = backward(USER_CELLS["WithoutState"].equations)
    assert derived.previous["h"].total is None
    assert backward(USER_CELLS["WithoutInput"].equations).input is None


def test_passed_on():
    """A state that is returned as it came sends back the whole gradient that arrived, and what else reads it."""
    derived = backward(USER_CELLS["Delayed"].equations)
    sent = {state: gradient.total for state, gradient in derived.previous.items()}
    assert (sent["a"].operation, sent["a"].name) == ("cotangent", "h")
    assert (sent["b"].operation, sent["b"].name) == ("cotangent", "a")


def test_one_backward_pass_for_each_cell():
    """Deriving twice gives the same object: programs and formulas are made of the same nodes."""
    equations = CELLS["lstm"].equations
    assert backward(equations) is backward(equations)


def test_shared_work_is_shared():
    """In the LSTM, the gradient of the cell is one node that f, i, g and the previous cell all read."""
    equations = CELLS["lstm"].equations
    derived = backward(equations)
    cell = derived.gradients[equations.new_states[1]]
    named = {name: node for node, name in equations.names.items()}
    assert all(cell in derived.gradients[named[gate]].operands for gate in "fig")
    assert cell in derived.previous["c"].elementwise.operands
    assert constant(1) not in derived.gradients.values()


def test_scale_of_a_number():
    """The gradient of a learned diagonal times a number is the number's share."""

    class Offset(Cell):
        def step(self, x, h):
            return h + scale("a", 2)

    derived, expected = both(Offset())
    assert_close(derived.parameters()["weight_peephole"], expected["weight_peephole"])
