"""Whatever the shape, strides, lengths, resets, layers, directions, cell and machine: the kernels are the equations."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from equations.user_cells import USER_CELLS
from hypothesis import HealthCheck, given, settings
from tolerances import assert_close
from torch import Tensor

import carousel
from carousel import _core
from carousel.equations.catalogue import CELLS

OWN = {name: USER_CELLS[name] for name in ("ExponentialGates", "Normalised", "FreeVectors", "ThreeStages")}
ISAS = [name for name, here in _core.built_isas() if here]

# x of shape (a, b, I) in memory that is laid out otherwise
STRIDES = {
    "dense": lambda a, b, i: torch.randn(a, b, i, dtype=torch.float64),
    "transposed": lambda a, b, i: torch.randn(b, a, i, dtype=torch.float64).transpose(0, 1),
    "features first": lambda a, b, i: torch.randn(i, a, b, dtype=torch.float64).permute(1, 2, 0),
    "every other": lambda a, b, i: torch.randn(2 * a, b, 3 * i, dtype=torch.float64)[::2, :, 1::3],
    "one for all": lambda a, b, i: torch.randn(a, 1, i, dtype=torch.float64).expand(a, b, i),
}


@dataclass
class Case:
    """One call of a module on random numbers."""

    module: carousel.Recurrent
    x: Tensor
    options: dict[str, Any]
    isa: str

    def results(self) -> dict[str, Tensor]:
        """Outputs, final states and every gradient."""
        before = _core.isa()
        _core.choose_isa(self.isa)
        try:
            output, final = self.module(self.x, **self.options)
            ends = [output, *(final if isinstance(final, tuple) else (final,))]
            loss = sum((end * (end + index)).sum() for index, end in enumerate(ends))
            leaves = {"x": self.x, **dict(self.module.named_parameters())}
            gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        finally:
            _core.choose_isa(before)
        return {f"result {i}": end.detach() for i, end in enumerate(ends)} | dict(
            zip(leaves, gradients, strict=True)
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from([*CELLS, *OWN]))
    isa = draw(st.sampled_from(ISAS)) if name in CELLS else _core.isa()  # users' cells are compiled for one
    time, batch = draw(st.integers(1, 9)), draw(st.integers(1, 7))
    inputs, hidden = draw(st.integers(1, 19)), draw(st.integers(1, 37))
    torch.manual_seed(draw(st.integers(0, 2**31)))
    first = draw(st.booleans())
    module = carousel.Recurrent(
        (CELLS | OWN)[name],
        inputs,
        hidden,
        num_layers=draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
        batch_first=first,
        bidirectional=draw(st.booleans()),
        dtype=torch.float64,
    )
    outer, inner = (batch, time) if first else (time, batch)
    x = STRIDES[draw(st.sampled_from(list(STRIDES)))](outer, inner, inputs).requires_grad_()
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["lengths"] = draw(st.lists(st.integers(1, time), min_size=batch, max_size=batch))
    if draw(st.booleans()):
        options["resets"] = torch.rand(outer, inner) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    if draw(st.booleans()):
        layers = module.num_layers * len(module.directions)
        states = [torch.randn(layers, batch, hidden, dtype=torch.float64) for _ in module.cell.states]
        options["hx"] = tuple(states) if len(states) > 1 else states[0]
    return Case(module, x, options, isa)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases())
def test_kernels_are_the_equations(case):
    """Outputs, final states and gradients are those of the equations in float64, and the same bits twice."""
    first, second = case.results(), case.results()
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("carousel.ops.dispatch"), "takes_kernel", lambda *_: False)
        assert_close(first, case.results())
