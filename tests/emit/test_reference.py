"""The reference on torch: torch.nn as witness, and what the modules rely on."""

import pytest
import torch
from equations.user_cells import USER_CELLS
from tolerances import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from carousel.emit import reference
from carousel.emit.call import Call
from carousel.equations.catalogue import CELLS

T, B, I, H = 6, 4, 3, 5
WITNESSES = {
    "rnn-tanh": lambda **options: nn.RNN(I, H, dtype=torch.float64, **options),
    "rnn-relu": lambda **options: nn.RNN(I, H, nonlinearity="relu", dtype=torch.float64, **options),
    "lstm": lambda **options: nn.LSTM(I, H, dtype=torch.float64, **options),
    "gru": lambda **options: nn.GRU(I, H, dtype=torch.float64, **options),
}
every_witness = pytest.mark.parametrize("name", WITNESSES)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def layer(module: nn.RNNBase, suffix: str = "_l0") -> dict[str, Tensor]:
    names = {name: p for name, p in module.named_parameters() if name.endswith(suffix)}
    return {name.removesuffix(suffix): parameter for name, parameter in names.items()}


def gradients(outputs: list[Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """Of a sum with different weights for each number."""
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).reshape(o.shape) for o in outputs]
    total = sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True))
    return list(torch.autograd.grad(total, leaves))


@every_witness
@pytest.mark.parametrize("bias", [True, False])
def test_torch(name, bias):
    """Output, final states and all gradients are those of torch.nn."""
    module = WITNESSES[name](bias=bias)
    x, initial = random(T, B, I), [random(B, H) for _ in CELLS[name].states]
    output, final = reference.run(Call(CELLS[name].equations, x, initial, layer(module)))
    h_0 = tuple(state.unsqueeze(0) for state in initial)
    theirs, h_n = module(x, h_0 if len(h_0) > 1 else h_0[0])
    h_n = [state[0] for state in h_n] if len(h_0) > 1 else [h_n[0]]
    assert_close([output, *final], [theirs, *h_n])
    leaves = [x, *initial, *module.parameters()]
    assert_close(gradients([output, *final], leaves), gradients([theirs, *h_n], leaves))


@every_witness
@pytest.mark.parametrize("suffix", ["_l0", "_l0_reverse"])
def test_lengths_and_directions(name, suffix):
    """Packed sequences of several lengths, forwards and in reverse: each row ends, or starts, where it should."""
    module = WITNESSES[name](bidirectional=True)
    packed = pack_padded_sequence(random(T, B, I), torch.tensor([6, 4, 4, 1]))
    reverse = suffix == "_l0_reverse"
    states = [torch.zeros(B, H, dtype=torch.float64) for _ in CELLS[name].states]
    parameters = layer(module, suffix)
    sizes = packed.batch_sizes
    output, final = reference.run(
        Call(CELLS[name].equations, packed.data, states, parameters, reverse, sizes)
    )
    theirs, h_n = module(packed)
    columns = slice(H, None) if reverse else slice(H)
    assert_close(output, theirs.data[:, columns])
    ends = h_n if isinstance(h_n, tuple) else (h_n,)
    assert_close(final, [end[int(reverse)] for end in ends])


def test_resets_are_sequences_apart():
    """A reset before step 3 is a second sequence that starts there from zeros, for its row alone."""
    cell = CELLS["lstm"]
    parameters = layer(WITNESSES["lstm"]())
    x, initial = random(T, 2, I), [random(2, H), random(2, H)]
    resets = torch.zeros(T, 2, dtype=torch.bool)
    resets[3, 1] = True
    output, final = reference.run(Call(cell.equations, x, initial, parameters, resets=resets))
    whole, end = reference.run(Call(cell.equations, x, initial, parameters))
    zeros = [torch.zeros(1, H, dtype=torch.float64)] * 2
    second, second_end = reference.run(Call(cell.equations, x[3:, 1:], zeros, parameters))
    assert_close(output[:, 0], whole[:, 0])
    assert_close(output[:3], whole[:3])
    assert_close(output[3:, 1:], second)
    assert_close([state[:1] for state in final], [state[:1] for state in end])
    assert_close([state[1:] for state in final], second_end)


@pytest.mark.parametrize("reverse", [False, True])
def test_trace(reverse):
    """Every named vector at every step; the output is the one named h, at its own place in time."""
    cell = CELLS["gru"]
    parameters, x, initial = layer(WITNESSES["gru"]()), random(T, B, I), [random(B, H)]
    traced = reference.trace(Call(cell.equations, x, initial, parameters, reverse))
    assert list(traced) == ["r", "z", "n", "h"]
    assert_close(traced["h"], reference.run(Call(cell.equations, x, initial, parameters, reverse))[0])
    before = torch.cat(
        [traced["h"][1:], initial[0][None]] if reverse else [initial[0][None], traced["h"][:-1]]
    )
    assert_close(traced["h"], (1 - traced["z"]) * traced["n"] + traced["z"] * before)


@pytest.mark.parametrize("name", USER_CELLS)
def test_shapes_of_user_cells(name):
    """Numbers, states passed on and states that are one vector come out as full rows all the same."""
    cell = USER_CELLS[name]
    parameters = {key: random(*shape) for key, shape in cell.equations.layout.shapes(I, H).items()}
    initial = [random(B, H) for _ in cell.states]
    output, final = reference.run(Call(cell.equations, random(T, B, I), initial, parameters))
    assert output.shape == (T, B, H)
    assert [state.shape for state in final] == [(B, H)] * len(cell.states)
    assert_close(output[-1], final[0])


@pytest.mark.parametrize("name", ["lstm-full", "gru-before"])
def test_second_derivatives(name):
    """The reference can be differentiated twice, by autograd's own account."""
    cell = CELLS[name]
    shapes = cell.equations.layout.shapes(1, 2)

    def run(x: Tensor, *rest: Tensor) -> Tensor:
        states, parameters = (
            rest[: len(cell.states)],
            dict(zip(shapes, rest[len(cell.states) :], strict=True)),
        )
        return reference.run(Call(cell.equations, x, list(states), parameters))[0]

    leaves = [
        random(2, 1, 1),
        *(random(1, 2) for _ in cell.states),
        *(random(*shape) for shape in shapes.values()),
    ]
    assert torch.autograd.gradcheck(run, leaves)
    assert torch.autograd.gradgradcheck(run, leaves)
