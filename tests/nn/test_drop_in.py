"""RNN, LSTM and GRU beside torch.nn's: outputs, final states and every gradient."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from tolerances import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import carousel

PAIRS = {
    "rnn-tanh": (carousel.RNN, nn.RNN, {}),
    "rnn-relu": (carousel.RNN, nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (carousel.LSTM, nn.LSTM, {}),
    "gru": (carousel.GRU, nn.GRU, {}),
}
OPTIONS = {
    "plain": {},
    "no bias": {"bias": False},
    "stacked": {"num_layers": 3},
    "both ways": {"bidirectional": True},
    "stacked both ways, no bias": {"num_layers": 2, "bidirectional": True, "bias": False},
    "batch first": {"batch_first": True},
    "stacked both ways, batch first": {"num_layers": 2, "bidirectional": True, "batch_first": True},
}
# T, B, I, H
SIZES = [(1, 1, 1, 1), (1, 3, 2, 5), (9, 1, 3, 17), (4, 5, 7, 33), (3, 17, 16, 16), (40, 2, 4, 64)]

every_kind = pytest.mark.parametrize("kind", PAIRS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def both(kind: str, sizes: tuple[int, ...], dtype: torch.dtype, **options) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with the same weights."""
    ours, theirs, own = PAIRS[kind]
    theirs = theirs(*sizes, dtype=dtype, **own, **options)
    ours = ours(*sizes, dtype=dtype, **own, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def initial(module: nn.Module, batch: int | None, dtype: torch.dtype) -> Tensor | tuple[Tensor, Tensor]:
    """Random initial states in the shape that torch.nn wants."""
    layers = module.num_layers * (2 if module.bidirectional else 1)
    shape = (layers, module.hidden_size) if batch is None else (layers, batch, module.hidden_size)
    h = torch.randn(shape, dtype=dtype)
    return (h, torch.randn(shape, dtype=dtype)) if "LSTM" in type(module).__name__ else h


def as_list(states) -> list[Tensor]:
    return list(states) if isinstance(states, tuple) else [states]


def everything(module: nn.Module, input, hx=None) -> dict[str, Tensor]:
    """The output, the final states, and the gradient of a random function of them in whatever went in."""
    packed = isinstance(input, PackedSequence)
    x = (input.data if packed else input).detach().requires_grad_()
    leaves = {"input": x, **dict(module.named_parameters())}
    if hx is not None:
        hx = tuple(state.detach().requires_grad_() for state in as_list(hx))
        leaves |= {f"initial {index}": state for index, state in enumerate(hx)}
        hx = hx if len(hx) > 1 else hx[0]
    output, final = module(input._replace(data=x) if packed else x, hx)
    results = {"output": output.data if packed else output}
    results |= {f"final {index}": state for index, state in enumerate(as_list(final))}
    generator = torch.Generator().manual_seed(1)
    loss = sum(
        (torch.randn(value.shape, generator=generator, dtype=value.dtype) * value).sum()
        for value in results.values()
    )
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return results | {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True)}


@every_kind
@every_dtype
@pytest.mark.parametrize("given_state", [True, False], ids=["hx", "no hx"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_batched(kind, dtype, options, given_state):
    """A batch gives torch's outputs, final states and gradients, with and without initial states."""
    ours, theirs = both(kind, (3, 5), dtype, **options)
    input = torch.randn(4, 6, 3, dtype=dtype)  # four of six steps or, batch first, six of four
    hx = initial(theirs, 4 if ours.batch_first else 6, dtype) if given_state else None
    assert_close(everything(ours, input, hx), everything(theirs, input, hx))


@every_kind
@every_dtype
@pytest.mark.parametrize("given_state", [True, False], ids=["hx", "no hx"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_unbatched(kind, dtype, options, given_state):
    """One sequence without a batch dimension gives torch's results, shapes included."""
    ours, theirs = both(kind, (3, 5), dtype, **options)
    input = torch.randn(7, 3, dtype=dtype)
    hx = initial(theirs, None, dtype) if given_state else None
    assert_close(everything(ours, input, hx), everything(theirs, input, hx))


@every_kind
@every_dtype
@pytest.mark.parametrize("lengths", [[7, 4, 4, 1], [2, 7, 1, 5]], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_packed(kind, dtype, options, lengths):
    """Sequences of different lengths, sorted or not: each ends at its end, states keep the caller's order."""
    ours, theirs = both(kind, (3, 5), dtype, **options)
    padded = torch.randn(7, 4, 3, dtype=dtype)
    packed = pack_padded_sequence(
        padded, torch.tensor(lengths), enforce_sorted=lengths == sorted(lengths)[::-1]
    )
    for hx in (None, initial(theirs, 4, dtype)):
        assert_close(everything(ours, packed, hx), everything(theirs, packed, hx))
    mine, other = ours(packed)[0], theirs(packed)[0]
    assert mine.batch_sizes.equal(other.batch_sizes)
    for name in ("sorted_indices", "unsorted_indices"):
        one, two = getattr(mine, name), getattr(other, name)
        assert one is two is None or one.equal(two)


@every_kind
@every_dtype
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_sizes(kind, dtype, sizes):
    """One step, one row, widths beside every vector width: sizes do not matter."""
    T, B, I, H = sizes
    ours, theirs = both(kind, (I, H), dtype, num_layers=2, bidirectional=True)
    input, hx = torch.randn(T, B, I, dtype=dtype), initial(theirs, B, dtype)
    assert_close(everything(ours, input, hx), everything(theirs, input, hx))


@every_kind
def test_strides(kind):
    """Inputs and states that are views, transposed, stepped, expanded, count by their values."""
    ours, theirs = both(kind, (3, 5), torch.float32)
    wide = torch.randn(3, 8, 14)
    state = torch.randn(5, 8, 2).permute(2, 1, 0)[:1]
    hx = (state, state.flip(2)) if kind == "lstm" else state
    for input in (wide.permute(2, 1, 0)[::2], wide[:1, :1, :1].expand(7, 8, 3)):
        assert not input.is_contiguous()
        assert_close(everything(ours, input, hx), everything(theirs, input, hx))


@every_kind
def test_empty_batch(kind):
    """No sequences give an output without rows, as in torch."""
    ours, theirs = both(kind, (3, 5), torch.float32, num_layers=2, bidirectional=True)
    input = torch.zeros(4, 0, 3)
    output, final = ours(input)
    assert output.shape == theirs(input)[0].shape == (4, 0, 10)
    assert all(state.shape == (4, 0, 5) for state in as_list(final))


@every_kind
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 20)),
    layers=st.integers(1, 3),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape(kind, lengths, sizes, layers, flags, packed, seed):
    """Whatever the lengths, sizes and options: torch's results."""
    torch.manual_seed(seed)
    options = dict(zip(("bias", "bidirectional", "batch_first"), flags, strict=True))
    ours, theirs = both(kind, sizes, torch.float64, num_layers=layers, **options)
    B = len(lengths)
    shape = (B, max(lengths), sizes[0]) if options["batch_first"] else (max(lengths), B, sizes[0])
    input = torch.randn(shape, dtype=torch.float64)
    if packed:
        input = pack_padded_sequence(
            input, torch.tensor(lengths), options["batch_first"], enforce_sorted=False
        )
    hx = initial(theirs, B, torch.float64)
    assert_close(everything(ours, input, hx), everything(theirs, input, hx))


@every_kind
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_same_seed_same_weights(kind, options):
    """One seed gives both modules the same weights, in the same order under the same names."""
    ours, theirs, own = PAIRS[kind]
    torch.manual_seed(3)
    mine = ours(3, 5, **own, **options)
    torch.manual_seed(3)
    other = theirs(3, 5, **own, **options)
    assert list(mine.state_dict()) == list(other.state_dict())
    assert all(mine.state_dict()[name].equal(value) for name, value in other.state_dict().items())
    assert [[w.shape for w in part] for part in mine.all_weights] == [
        [w.shape for w in part] for part in other.all_weights
    ]


@every_kind
def test_state_dict_both_ways(kind):
    """Weights go from torch to us and back, strictly."""
    ours, theirs = both(kind, (3, 5), torch.float32, num_layers=2, bidirectional=True)
    ours.reset_parameters()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(4, 2, 3)
    assert_close(ours(x)[0], theirs(x)[0])


@every_kind
@pytest.mark.parametrize("form", ["batched", "packed"])
def test_same_seed_same_dropout(kind, form):
    """Dropout falls between layers only, with one seed on the same values as torch's, never in eval mode."""
    ours, theirs = both(kind, (3, 5), torch.float64, num_layers=3, dropout=0.4, bidirectional=True)
    input = torch.randn(7, 4, 3, dtype=torch.float64)
    if form == "packed":
        input = pack_padded_sequence(input, torch.tensor([7, 3, 2, 2]))
    results = []
    for module in (ours, theirs):
        torch.manual_seed(5)
        results.append(everything(module, input))
    assert_close(*results)
    assert_close(everything(ours.eval(), input), everything(theirs.eval(), input))


@every_kind
def test_constructor_by_position(kind):
    """Options by position land where torch.nn puts them, and the attributes have torch's names and values."""
    ours, theirs, own = PAIRS[kind]
    nonlinearity = [own.get("nonlinearity", "tanh")] if ours is carousel.RNN else []
    arguments = [3, 5, 2, *nonlinearity, False, True, 0.25, True]
    mine, other = ours(*arguments), theirs(*arguments)
    names = [
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]
    names += ["nonlinearity"] if nonlinearity else []
    for name in names:
        assert getattr(mine, name) == getattr(other, name), name
    mine.flatten_parameters()
