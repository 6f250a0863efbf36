"""Bad options, inputs and states: the message says what is expected and what came."""

import re
import warnings

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import carousel
from carousel import CarouselError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be a whole number of at least 1; it is 0"),
        ({"hidden_size": -4}, "hidden_size must be a whole number of at least 1; it is -4"),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number of at least 1; it is 2.5"),
        ({"input_size": True}, "input_size must be a whole number of at least 1; it is True"),
        ({"num_layers": 0}, "num_layers must be a whole number of at least 1; it is 0"),
        ({"dropout": 1.5}, "dropout must be a number from 0 to 1, the share of values set to 0; it is 1.5"),
        ({"dropout": True}, "dropout must be a number from 0 to 1"),
        ({"dropout": float("nan")}, "dropout must be a number from 0 to 1"),
        ({"bias": 2}, "bias must be True or False; it is 2"),
        ({"bidirectional": 0.25}, "bidirectional must be True or False; it is 0.25"),
        ({"batch_first": "no"}, "batch_first must be True or False; it is 'no'"),
        ({"bidirectional": None}, "bidirectional must be True or False; it is None"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [carousel.RNN, carousel.LSTM, carousel.GRU])
def test_options(kind, options, message):
    """An option outside its range is refused when the module is made."""
    with pytest.raises(CarouselError, match=re.escape(message)):
        kind(**{"input_size": 3, "hidden_size": 5, **options})


def test_cell_expected():
    """Recurrent takes a cell or its class, nothing else."""
    for wrong in (torch.nn.LSTM, "lstm", int):
        with pytest.raises(CarouselError, match=r"cell must be a carousel.Cell or a subclass of it; it is"):
            carousel.Recurrent(wrong, 3, 5)


def test_numpy_sizes():
    """Whole numbers from NumPy are sizes too, and the options they leave are plain."""
    module = carousel.LSTM(np.int64(3), np.int32(5), num_layers=np.int64(2))
    assert type(module.hidden_size) is int
    assert repr(module) == "LSTM(3, 5, num_layers=2)"


def test_dropout_warning():
    """Dropout with one layer does nothing: torch's warning, at the caller's line; with two, none."""
    for kind in (carousel.RNN, carousel.LSTM, carousel.GRU):
        with pytest.warns(UserWarning, match="dropout option adds dropout after all but last") as caught:
            kind(3, 5, dropout=0.5)
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind(3, 5, 2, dropout=0.5)


x = torch.zeros(7, 2, 3)
h = torch.zeros(1, 2, 5)


@pytest.mark.parametrize(
    ("input", "message"),
    [
        (
            torch.zeros(3),
            "must have 3 dimensions, (T, B, I), or 2 for one sequence, (T, I); it has 1: (3,)",
        ),
        (torch.zeros(1, 7, 2, 3), "it has 4: (1, 7, 2, 3)"),
        (
            torch.zeros(7, 2, 4),
            "must have width input_size = 3 in its last dimension; its shape is (7, 2, 4)",
        ),
        (torch.zeros(0, 2, 3), "input must have at least one time step; its shape is (0, 2, 3)"),
        (torch.zeros(0, 3), "input must have at least one time step; its shape is (0, 3)"),
        (x.double(), "input must have the dtype of the weights, torch.float32; it has torch.float64"),
        (x.long(), "input must have the dtype of the weights, torch.float32; it has torch.int64"),
        (x.to("meta"), "input must be on the device of the weights, cpu; it is on meta"),
        ([[1.0, 2.0, 3.0]], "input must be a tensor or a PackedSequence; it is a list"),
        (
            pack_sequence([torch.zeros(2, 4)]),
            "width input_size = 3 in its last dimension; its shape is (2, 4)",
        ),
        (pack_sequence([torch.zeros(2, 3).double()]), "input must have the dtype of the weights"),
        (PackedSequence(torch.zeros(2, 1, 3), torch.tensor([1, 1])), "(N, I); its data is (2, 1, 3)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [carousel.RNN, carousel.LSTM, carousel.GRU])
def test_input(kind, input, message):
    """Rank, width, length, dtype, device and type of the input."""
    module = kind(3, 5)
    for method in (module, module.trace):
        with pytest.raises(CarouselError, match=re.escape(message)):
            method(input)


def test_batch_first_in_the_message():
    """With batch_first the expected axes are named in that order."""
    with pytest.raises(CarouselError, match=r"3 dimensions, \(B, T, I\)"):
        carousel.GRU(3, 5, batch_first=True)(torch.zeros(3))
    with pytest.raises(CarouselError, match="at least one time step"):
        carousel.GRU(3, 5, batch_first=True)(torch.zeros(2, 0, 3))


@pytest.mark.parametrize(
    ("kind", "hx", "message"),
    [
        (carousel.GRU, torch.zeros(1, 3, 5), "h_0 in hx must have shape (1, 2, 5), (num_layers * directions, "
         "batch, hidden_size), to go with this input; it has (1, 3, 5)"),
        (carousel.GRU, torch.zeros(2, 2, 5), "it has (2, 2, 5)"),
        (carousel.GRU, torch.zeros(1, 2, 4), "it has (1, 2, 4)"),
        (carousel.GRU, torch.zeros(2, 5), "it has (2, 5)"),
        (carousel.GRU, h.double(), "h_0 in hx must have the dtype of the weights, torch.float32; it has"),
        (carousel.GRU, h.to("meta"), "h_0 in hx must be on the device of the weights, cpu; it is on meta"),
        (carousel.GRU, (h, h), "hx must be the tensor h_0; it is a tuple of Tensor, Tensor"),
        (carousel.RNN, (h,), "hx must be the tensor h_0; it is a tuple of Tensor"),
        (carousel.LSTM, h, "hx must be a tuple of tensors (h_0, c_0); it is a Tensor"),
        (carousel.LSTM, (h,), "hx must be a tuple of tensors (h_0, c_0); it is a tuple of Tensor"),
        (carousel.LSTM, (h, None), "a tuple of tensors (h_0, c_0); it is a tuple of Tensor, NoneType"),
        (carousel.LSTM, (), "it is a tuple of nothing"),
        (carousel.LSTM, torch.zeros(2, 1, 2, 5), "hx must be a tuple of tensors (h_0, c_0); it is a Tensor"),
        (carousel.LSTM, (h, torch.zeros(1, 2, 6)), "c_0 in hx must have shape (1, 2, 5)"),
        (carousel.LSTM, (h, h.double()), "c_0 in hx must have the dtype of the weights"),
    ],
    ids=str,
)  # fmt: skip
def test_states(kind, hx, message):
    """Number, shape, dtype and device of the initial states."""
    module = kind(3, 5)
    for method in (module, module.trace):
        with pytest.raises(CarouselError, match=re.escape(message)):
            method(x, hx)


def test_states_of_other_forms():
    """One sequence wants states without batch, a packed batch its number of sequences."""
    with pytest.raises(
        CarouselError, match=re.escape("shape (2, 5), (num_layers * directions, hidden_size)")
    ):
        carousel.RNN(3, 5, 2)(torch.zeros(7, 3), torch.zeros(2, 1, 5))
    packed = pack_sequence([torch.zeros(2, 3)] * 3)
    with pytest.raises(CarouselError, match=re.escape("shape (4, 3, 5)")):
        carousel.RNN(3, 5, 2, bidirectional=True)(packed, torch.zeros(2, 3, 5))


def test_list_of_states():
    """A list of states serves as well as a tuple, as in torch."""
    assert carousel.LSTM(3, 5)(x, [h, h])[0].shape == (7, 2, 5)
