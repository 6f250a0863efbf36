"""Ragged batches: a padded tensor and the length of each sequence."""

import re
from importlib import import_module

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from nn.episodes import FORMS, problem
from tolerances import assert_close
from torch.nn.utils.rnn import pack_sequence

import carousel
from carousel import CarouselError
from carousel.equations.catalogue import CELLS

OPTIONS = {
    "plain": {},
    "stacked both ways": {"num_layers": 2, "bidirectional": True},
    "stacked, batch first": {"num_layers": 2, "batch_first": True},
    "both ways, batch first, no bias": {"bidirectional": True, "batch_first": True, "bias": False},
}


@pytest.mark.usefixtures("road")
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_each_sequence_alone(name, options):
    """Outputs, final states and all gradients are those of each sequence alone; the rest of the output is 0."""
    ragged = problem(CELLS[name], [4, 1, 6, 4], time=7, **options)
    together = ragged.together()
    assert_close(together, ragged.alone())
    assert not together["output"][6:].any()
    assert not together["gradient of x"][1:, 1].any()


@pytest.mark.usefixtures("road")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(CELLS)),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    beyond=st.integers(0, 2),
    resets=st.sampled_from([None, 0.0, 0.2, 0.6, 1.0]),
    form=st.sampled_from(FORMS),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 20)),
    layers=st.integers(1, 3),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    seed=st.integers(0, 1000),
)
def test_any_lengths_and_resets(name, lengths, beyond, resets, form, sizes, layers, flags, seed):
    """Whatever the lengths, resets, sizes, options and form: each episode of each sequence as if alone."""
    torch.manual_seed(seed)
    options = dict(zip(("bias", "bidirectional", "batch_first"), flags, strict=True))
    any_ = problem(CELLS[name], lengths, max(lengths) + beyond, resets, sizes, num_layers=layers, **options)
    assert_close(any_.together(form), any_.alone())


@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_is_never_read(batch_first):
    """What stands in the padding, NaN too, reaches neither outputs nor gradients."""
    ragged = problem(CELLS["gru"], [2, 6, 3], bidirectional=True, num_layers=2, batch_first=batch_first)
    clean = ragged.together()
    with torch.no_grad():
        ragged.x[2:, 0] = torch.nan
        ragged.x[3:, 2] = torch.inf
    dirty = ragged.together()
    assert all(torch.equal(dirty[name], clean[name]) for name in clean)


def test_nothing_is_computed_for_padding(monkeypatch):
    """Every layer works on as many rows as there are tokens."""
    home = import_module("carousel.nn.recurrent")
    rows, recurrence = [], home.recurrence
    monkeypatch.setattr(
        home, "recurrence", lambda call, *rest: rows.append(tuple(call.x.shape)) or recurrence(call, *rest)
    )
    carousel.LSTM(3, 5, 2, bidirectional=True)(torch.randn(50, 3, 3), lengths=[50, 2, 1])
    assert rows == [(53, 3), (53, 3), (53, 10), (53, 10)]


def test_strided_input():
    """A padded tensor that is a view counts by its values."""
    module = carousel.GRU(3, 5, bidirectional=True)
    x = torch.randn(3, 8, 14).permute(2, 1, 0)[::2, ::2]
    assert_close(module(x, lengths=[3, 7, 1, 5]), module(x.contiguous(), lengths=[3, 7, 1, 5]))


@pytest.mark.parametrize(
    "lengths",
    [(4, 1, 6), torch.tensor([4, 1, 6]), torch.tensor([4, 1, 6], dtype=torch.int16), np.array([4, 1, 6])],
    ids=["tuple", "int64", "int16", "NumPy"],
)
def test_forms_of_lengths(lengths):
    """A list, a tuple, a tensor and an array of whole numbers say the same."""
    module, x = carousel.GRU(3, 5), torch.randn(6, 3, 3)
    assert_close(module(x, lengths=lengths), module(x, lengths=[4, 1, 6]))


def test_full_lengths():
    """Where every sequence has every step, the padded batch itself is run; an empty batch has no lengths."""
    module, x = carousel.GRU(3, 5), torch.randn(6, 3, 3)
    assert torch.equal(module(x, lengths=[6, 6, 6])[0], module(x)[0])
    assert module(x[:, :0], lengths=[])[0].shape == (6, 0, 5)


def test_meta_device():
    """Shapes are computed without memory."""
    output, h_n = carousel.GRU(3, 5, device="meta")(torch.empty(6, 2, 3, device="meta"), lengths=[2, 6])
    assert output.is_meta
    assert (output.shape, h_n.shape) == ((6, 2, 5), (1, 2, 5))


def test_dropout_between_layers():
    """Dropout between the layers of a ragged batch falls on its tokens, in training only."""
    module = carousel.GRU(3, 50, 2, dropout=0.5)
    x = torch.randn(6, 2, 3)
    assert not module(x, lengths=[2, 6])[0].allclose(module.eval()(x, lengths=[2, 6])[0])
    assert torch.equal(module(x, lengths=[2, 6])[0], module(x, lengths=[2, 6])[0])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            [7, 3, 1],
            "lengths must hold one number for each of the 2 sequences, shape (2,); the shape is (3,)",
        ),
        ([], "shape (2,); the shape is (0,)"),
        (torch.tensor([[7, 3]]), "shape (2,); the shape is (1, 2)"),
        (torch.tensor(7), "shape (2,); the shape is ()"),
        (
            [7, 9],
            "lengths must be from 0 to the 7 steps of the input; lengths[1] is 9.",
        ),
        ([-1, 7], "lengths[0] is -1"),
        (torch.tensor([8, 7]), "lengths[0] is 8"),
        (torch.tensor([7.0, 3.0]), "lengths must be whole numbers; the tensor has dtype torch.float32"),
        (torch.tensor([True, False]), "lengths must be whole numbers; the tensor has dtype torch.bool"),
        ([7, 3.5], "lengths must be whole numbers, in a list or a tensor; they are [7, 3.5]"),
        (7, "lengths must be whole numbers, in a list or a tensor; they are 7"),
        ([[7], [3]], "lengths must be whole numbers, in a list or a tensor; they are [[7], [3]]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [carousel.RNN, carousel.LSTM, carousel.GRU])
def test_wrong_lengths(kind, lengths, message):
    """Number, range and type of the lengths."""
    with pytest.raises(CarouselError, match=re.escape(message)):
        kind(3, 5)(torch.zeros(7, 2, 3), lengths=lengths)


def test_lengths_where_they_do_not_belong():
    """One sequence is cut by the caller, and a PackedSequence has lengths of its own."""
    module = carousel.GRU(3, 5)
    with pytest.raises(CarouselError, match=re.escape("is one sequence, (7, 3). Cut it: input[:length]")):
        module(torch.zeros(7, 3), lengths=[4])
    with pytest.raises(CarouselError, match="the input is a PackedSequence, which has its own"):
        module(pack_sequence([torch.zeros(2, 3)]), lengths=[2])
    with pytest.raises(TypeError):
        module(torch.zeros(7, 2, 3), None, [4, 7])  # by name only: torch.nn has no third argument


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_threads_share_unequal_sequences(threads):
    """Dealt out to and fro, so that nobody has the longer ones: results, and gradients, are those of one thread."""
    lengths = [40, 3, 31, 30, 12, 33, 40, 1, 22]
    states = tuple(torch.randn(2, 9, 65, dtype=torch.float64, requires_grad=True) for _ in range(2))
    resets = torch.rand(40, 9) < 0.1
    for cell in (carousel.LSTM(19, 65, bidirectional=True), carousel.GRU(19, 65, bidirectional=True)):
        module, x = cell.double(), torch.randn(40, 9, 19, dtype=torch.float64, requires_grad=True)
        hx = states if isinstance(module, carousel.LSTM) else states[0]
        leaves = [x, *module.parameters(), *(states if isinstance(hx, tuple) else states[:1])]
        found = []
        for team in (1, threads):
            torch.set_num_threads(team)
            try:
                output, final = module(x, hx, lengths=lengths, resets=resets)
                ends = [output, *(final if isinstance(final, tuple) else (final,))]
                loss = sum((end * (end + 1)).sum() for end in ends)
                found.append([*(end.detach() for end in ends), *torch.autograd.grad(loss, leaves)])
            finally:
                torch.set_num_threads(1)
        assert_close(found[1], found[0])


def test_no_sequence_at_all():
    """An empty batch has no lengths."""
    output, h_n = carousel.GRU(3, 5)(torch.zeros(7, 0, 3), lengths=[])
    assert output.shape == (7, 0, 5)
    assert h_n.shape == (1, 0, 5)


def test_gradients_of_gradients():
    """The gradient of a ragged batch can be differentiated again, one by one and many at once."""
    module = carousel.GRU(3, 5).double()
    x = torch.randn(6, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: module(x, lengths=[6, 2, 4])[0], (x,))
    y = torch.randn(6, 3, 3, dtype=torch.float64)
    row = torch.autograd.functional.jacobian(lambda x: module(x, lengths=[6, 2, 4])[0].sum((1, 2)), y)
    many = torch.autograd.functional.jacobian(
        lambda x: module(x, lengths=[6, 2, 4])[0].sum((1, 2)), y, vectorize=True
    )
    assert_close([many], [row])
