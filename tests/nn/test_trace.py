"""trace: every gate and state, by the names of the equations."""

from importlib import import_module

import pytest
import torch
from tolerances import assert_close

import carousel
from carousel import CarouselError
from carousel.equations.catalogue import CELLS


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("form", ["batched", "batch first", "unbatched"])
def test_outputs_and_finals(name, form):
    """The traced h is the output; the last step of a traced state, in reverse the first, is the final one."""
    module = carousel.Recurrent(
        CELLS[name],
        3,
        5,
        num_layers=2,
        bidirectional=True,
        batch_first=form == "batch first",
        dtype=torch.float64,
    )
    shape = {"batched": (6, 2, 3), "batch first": (2, 6, 3), "unbatched": (6, 3)}[form]
    time = 1 if form == "batch first" else 0
    x = torch.randn(shape, dtype=torch.float64)
    h = torch.randn((4, 5) if form == "unbatched" else (4, 2, 5), dtype=torch.float64)
    hx = tuple(h + index for index in range(len(module.cell.states)))
    hx = hx if len(hx) > 1 else h
    output, final = module(x, hx)
    traces = module.trace(x, hx)
    assert [(t.layer, t.direction) for t in traces] == [
        (0, "forward"), (0, "reverse"), (1, "forward"), (1, "reverse"),
    ]  # fmt: skip
    assert_close(torch.cat([trace.values["h"] for trace in traces[2:]], dim=-1), output)
    for states, state in zip(
        final if isinstance(final, tuple) else (final,), module.cell.states, strict=True
    ):
        for index, trace in enumerate(traces):
            last = 0 if trace.direction == "reverse" else -1
            assert_close(trace.values[state].select(time, last), states[index], name=f"{state} {index}")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (carousel.RNN(3, 5), ["h"]),
        (carousel.LSTM(3, 5), ["i", "f", "g", "c", "o", "h"]),
        (carousel.LSTM(3, 5, peephole="full"), ["i", "f", "g", "c", "o", "h"]),
        (carousel.GRU(3, 5), ["r", "z", "n", "h"]),
    ],
    ids=["RNN", "LSTM", "full peephole", "GRU"],
)
def test_names(module, names):
    """Names are those of the equations, in their order."""
    [trace] = module.trace(torch.randn(4, 2, 3))
    assert list(trace.values) == names
    assert all(value.shape == (4, 2, 5) for value in trace.values.values())


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_lstm_equations(direction):
    """The traced gates are those of the LSTM's equations, and give its states; index t reads x_t."""
    module = carousel.LSTM(3, 5, bidirectional=True, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    values = module.trace(x)[direction == "reverse"].values
    suffix = "_l0_reverse" if direction == "reverse" else "_l0"
    W, U, b, d = (getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = c = torch.zeros(2, 5, dtype=torch.float64)
    for t in range(6) if direction == "forward" else reversed(range(6)):
        i, f, g, o = (x[t] @ W.T + b + h @ U.T + d).chunk(4, dim=-1)
        gates = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
        assert_close({name: values[name][t] for name in gates}, gates, name=f"step {t}")
        c = gates["f"] * c + gates["i"] * gates["g"]
        h = gates["o"] * c.tanh()
        assert_close((values["c"][t], values["h"][t]), (c, h), name=f"step {t}")


def test_differentiable():
    """Traced vectors carry gradients back to the input."""
    module = carousel.GRU(3, 5)
    x = torch.randn(6, 2, 3, requires_grad=True)
    module.trace(x)[0].values["z"][-1].sum().backward()
    assert (x.grad.abs().sum(dim=(1, 2)) > 0).all()


@pytest.mark.parametrize("first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize("name", CELLS)
def test_lengths_and_resets(name, first):
    """With lengths and resets the traced states are those of the forward pass, 0 after each sequence's end."""
    module = carousel.Recurrent(
        CELLS[name], 3, 5, num_layers=2, bidirectional=True, batch_first=first, dtype=torch.float64
    )
    x, resets = torch.randn(6, 3, 3, dtype=torch.float64), torch.rand(6, 3) < 0.3
    x, resets = (x.transpose(0, 1), resets.transpose(0, 1)) if first else (x, resets)
    options = {"lengths": [4, 6, 1], "resets": resets}
    output, final = module(x, **options)
    traces = module.trace(x, **options)
    assert_close(torch.cat([trace.values["h"] for trace in traces[2:]], dim=-1), output)
    finals = final if isinstance(final, tuple) else (final,)
    for index, trace in enumerate(traces):
        for state, value in zip(module.cell.states, finals, strict=True):
            seen = trace.values[state].transpose(0, 1) if first else trace.values[state]
            last = [0, 0, 0] if trace.direction == "reverse" else [3, 5, 0]
            assert_close(seen[last, range(3)], value[index], name=f"{state} {index}")
            assert not seen[4:, 0].any()


def test_by_kernel_and_by_equations(monkeypatch):
    """The kernel's tape and the equations give the same vectors, and the same gradients through all of them."""
    module = carousel.LSTM(3, 5, num_layers=2, bidirectional=True, peephole="full", dtype=torch.float64)
    x = torch.randn(6, 3, 3, dtype=torch.float64, requires_grad=True)
    options = {"lengths": [4, 6, 1], "resets": torch.rand(6, 3) < 0.3}

    def results():
        values = [value for trace in module.trace(x, **options) for value in trace.values.values()]
        loss = sum((value * (value + index)).sum() for index, value in enumerate(values))
        return values, torch.autograd.grad(loss, [x, *module.parameters()])

    by_kernel = results()
    monkeypatch.setattr(import_module("carousel.ops.dispatch"), "takes_kernel", lambda *_: False)
    assert_close(by_kernel, results())


def test_a_gradient_of_a_gradient():
    """Traced vectors are differentiable twice."""
    module = carousel.GRU(2, 3, dtype=torch.float64)
    x = torch.randn(3, 1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: module.trace(x)[0].values["z"], x)


def test_packed_refused():
    """A PackedSequence is refused, with the way out."""
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(2, 3), torch.randn(1, 3)])
    with pytest.raises(CarouselError, match=r"trace needs a tensor.*unpack_sequence"):
        carousel.LSTM(3, 5).trace(packed)
