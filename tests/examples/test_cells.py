"""The cells of examples/cells: as short as promised, compiled, exact, and able to learn."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

import pytest
import torch
from ops.layers import random_layer
from tolerances import assert_close
from torch.func import functional_call
from torch.nn.functional import layer_norm

import carousel
from carousel.equations import Cell
from carousel.ops import compiler, kernels

CELLS = sorted((Path(__file__).parents[2] / "examples" / "cells").glob("*.py"))

every_cell = pytest.mark.parametrize("path", CELLS, ids=[path.stem for path in CELLS])


@cache
def load(path: Path) -> Cell:
    """The one cell of the file, as a user would import it."""
    specification = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    [cell] = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    ]
    return cell()


def test_all_there():
    """The eight variants of "LSTM: a search space odyssey" and the cells that came after."""
    odyssey = "coupled_gates full_gate_recurrence no_forget_gate no_input_activation no_input_gate"
    odyssey += " no_output_activation no_output_gate no_peepholes"
    others = "indrnn janet layer_norm_lstm mgu mingru minlstm slstm"
    assert {path.stem for path in CELLS} >= {*odyssey.split(), *others.split()}


@every_cell
def test_short(path):
    """A cell is at most 25 lines, says where it is from, and needs nothing but the equations' words."""
    text = path.read_text()
    assert len(text.splitlines()) <= 25
    assert "arXiv:" in ast.get_docstring(ast.parse(text))
    assert "torch" not in text


@pytest.mark.usefixtures("poisoned_memory")
@every_cell
def test_kernel_equals_equations(path):
    """The compiled kernel gives the outputs, final states and every gradient of the equations."""
    equations = load(path).equations
    assert compiler.load(equations)
    assert kernels.has_kernel(equations)
    for options in ({}, {"reverse": True, "lengths": [5, 3, 3, 1]}, {"bias": False}):
        layer = random_layer(equations, 5, 4, 3, 9, **options)
        assert_close(layer.results(compiled=True), layer.results(compiled=False))


@every_cell
def test_gradients(path):
    """Through the module, both ways, the gradient of the input and of every weight is the slope."""
    module = carousel.Recurrent(load(path), 2, 2, bidirectional=True, dtype=torch.float64)
    weights = {name: parameter.detach().requires_grad_() for name, parameter in module.named_parameters()}
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)

    def function(x, *values):
        output, final = functional_call(module, dict(zip(weights, values, strict=True)), (x,))
        return output, *(final if isinstance(final, tuple) else (final,))

    assert torch.autograd.gradcheck(function, (x, *weights.values()))


@every_cell
def test_learns(path):
    """Say whether five numbers add up to more than 0: the error falls by a quarter or more."""
    module, readout = carousel.Recurrent(load(path), 1, 16), torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*module.parameters(), *readout.parameters()], lr=0.02)
    losses = []
    for _ in range(80):
        x = torch.randn(5, 64, 1)
        logits = readout(module(x)[0][-1])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, (x.sum(dim=0)[:, 0] > 0).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.6
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]


def cell(name: str) -> Cell:
    return next(load(path) for path in CELLS if path.stem == name)


def test_no_peepholes_is_the_lstm():
    """The Odyssey's LSTM without peepholes is the usual one: same weights, same numbers."""
    ours, usual = carousel.Recurrent(cell("no_peepholes"), 3, 5), carousel.LSTM(3, 5)
    ours.load_state_dict(usual.state_dict(), strict=True)
    x = torch.randn(6, 2, 3)
    assert_close(ours(x), usual(x))


def test_full_gate_recurrence_holds_the_vanilla_lstm():
    """Without its nine additional matrices it is the LSTM with diagonal peepholes."""
    ours, vanilla = (
        carousel.Recurrent(cell("full_gate_recurrence"), 3, 5),
        carousel.LSTM(3, 5, peephole="diagonal"),
    )
    weights = vanilla.state_dict()
    additional = {
        name: torch.zeros_like(value) for name, value in ours.state_dict().items() if name not in weights
    }
    assert [value.shape for value in additional.values()] == [(15, 5)] * 3
    ours.load_state_dict(weights | additional, strict=True)
    x = torch.randn(6, 2, 3)
    output, (h_n, c_n, *_) = ours(x)
    assert_close((output, (h_n, c_n)), vanilla(x))


def test_layer_norm_is_torchs():
    """The layer-norm LSTM by hand, with torch's own layer_norm, step by step."""
    module = carousel.Recurrent(cell("layer_norm_lstm"), 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    h = c = torch.zeros(2, 6, dtype=torch.float64)
    output, _ = module(x)
    for t in range(5):
        of_input = (x[t] @ module.weight_ih_l0.T + module.bias_ih_l0).chunk(4, dim=-1)
        of_state = (h @ module.weight_hh_l0.T + module.bias_hh_l0).chunk(4, dim=-1)
        gates = {}
        for name, a, b in zip(
            module.cell.equations.layout.rows["weight_ih"], of_input, of_state, strict=True
        ):
            gain_x, gain_h, bias = (
                getattr(module, f"{each}_l0") for each in (f"gain_{name}x", f"gain_{name}h", f"bias_{name}")
            )
            gates[name] = layer_norm(a, (6,), gain_x) + layer_norm(b, (6,), gain_h) + bias
        c = gates["f"].sigmoid() * c + gates["i"].sigmoid() * gates["g"].tanh()
        h = gates["o"].sigmoid() * layer_norm(c, (6,), module.gain_c_l0, module.bias_c_l0).tanh()
        assert_close(output[t], h, name=f"step {t}")


def test_starts():
    """JANET remembers for as long as it was told, IndRNN lets no unit grow to more than 2."""
    janet = carousel.Recurrent(type(cell("janet"))(longest=50), 3, 64)
    keeps = janet.bias_ih_l0[:64].sigmoid()
    assert 0.5 <= keeps.min() < 0.9 < 0.95 < keeps.max() <= 49 / 50
    indrnn = carousel.Recurrent(type(cell("indrnn"))(longest=50), 3, 64)
    assert 0 <= indrnn.u_l0.min() < indrnn.u_l0.max() <= 2 ** (1 / 50)


def test_slstm_without_its_stabiliser():
    """m changes the numbers on the way, not the output: exponential gates as they stand give the same h."""
    module = carousel.Recurrent(cell("slstm"), 3, 5, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    h = c = n = torch.zeros(2, 5, dtype=torch.float64)
    output, _ = module(x)
    for t in range(6):
        products = x[t] @ module.weight_ih_l0.T + h @ module.weight_hh_l0.T
        z, i, f, o = (products + module.bias_ih_l0 + module.bias_hh_l0).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.exp() * z.tanh()
        n = f.sigmoid() * n + i.exp()
        h = o.sigmoid() * c / n
        assert_close(output[t], h, name=f"step {t}")


def test_slstm_at_extremes():
    """Gates far out of the range of exp leave outputs and gradients finite, in float32 too."""
    module = carousel.Recurrent(cell("slstm"), 3, 5)
    x = (torch.randn(6, 2, 3) * 2000).requires_grad_()
    output, _ = module(x)
    output.sum().backward()
    assert output.isfinite().all()
    assert x.grad.isfinite().all()
