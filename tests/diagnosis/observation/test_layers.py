"""Recurrent layers are found wherever they stand, and step as the module does."""

import pytest
import torch
from diagnosis.nets import Odd
from tolerances import assert_close
from torch import nn

import carousel
from carousel.diagnosis import recurrent_layers
from carousel.errors import CarouselError


class Larger(nn.Module):
    """Recurrent modules among others."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"low": nn.GRU(3, 4, bidirectional=True), "drop": nn.Dropout()})
        self.cell = nn.LSTMCell(8, 5)
        self.own = carousel.Recurrent(Odd, 5, 2)


def test_layers_are_found_inside_larger_models():
    """Every module, layer and direction, in order, named by its path; cells count as one layer."""
    layers = recurrent_layers(Larger())
    assert [layer.name for layer in layers] == [
        "encoder.low.l0", "encoder.low.l0.reverse", "cell.l0", "own.l0",
    ]  # fmt: skip
    assert [(layer.input_size, layer.hidden, layer.size) for layer in layers] == [
        (3, 4, 4), (3, 4, 4), (8, 5, 10), (5, 2, 6),
    ]  # fmt: skip
    assert recurrent_layers(nn.Linear(2, 2)) == []


@pytest.mark.parametrize(
    "module",
    [
        nn.RNN(3, 4), nn.RNN(3, 4, nonlinearity="relu", bias=False), nn.LSTM(3, 4), nn.GRU(3, 4),
        carousel.LSTM(3, 4, peephole="full"), carousel.GRU(3, 4, reset="before"),
        carousel.RNN(3, 4, nonlinearity="elu"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_step_is_the_modules_step(module):
    """From any state, one step on plain tensors gives the module's output and final states."""
    module = module.double()
    [layer] = recurrent_layers(module)
    x, s = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, layer.size, dtype=torch.float64)
    parts = tuple(part.unsqueeze(0).contiguous() for part in s.split(4, dim=-1))
    output, final = module(x.unsqueeze(0), parts if len(parts) > 1 else parts[0])
    after = layer.step(x, s)
    assert_close(layer.output(after), output[0].detach())
    finals = final if isinstance(final, tuple) else (final,)
    for state, expected in zip(layer.states, finals, strict=True):
        assert_close(layer.part(after, state), expected[0].detach())


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projection_is_folded_into_the_recurrent_matrix():
    """An LSTM with proj_size is an LSTM whose h stands before the projection, with the product of both matrices."""
    module = nn.LSTM(3, 6, proj_size=2).double()
    [layer] = recurrent_layers(module)
    assert layer.parameters["weight_hh"].shape == (24, 6)
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    s, outputs = torch.zeros(4, layer.size, dtype=torch.float64), []
    for t in range(5):
        s = layer.step(x[t], s)
        outputs.append(layer.output(s))
    assert_close(torch.stack(outputs), module(x)[0].detach())


def test_numbers_are_copies():
    """Nothing done to a layer reaches the model, and the dtype is the one asked for."""
    model = nn.GRU(3, 4)
    [layer] = recurrent_layers(model, torch.float32)
    before = model.weight_hh_l0.detach().clone()
    layer.parameters["weight_hh"].zero_()
    assert torch.equal(model.weight_hh_l0, before)
    assert layer.parameters["weight_hh"].dtype == torch.float32
    assert recurrent_layers(model)[0].parameters["weight_hh"].dtype == torch.float64


def test_parametrised_weights_are_read_as_the_module_uses_them():
    """With weight normalisation the layer holds the product, not the parts."""
    model = nn.RNN(3, 4)
    nn.utils.parametrizations.orthogonal(model, "weight_hh_l0")
    weight = recurrent_layers(model)[0].parameters["weight_hh"]
    assert_close(weight @ weight.T, torch.eye(4, dtype=torch.float64), dtype=torch.float32)


def test_broken_models_are_named():
    """NaN weights and things that are no module are refused in words."""
    model = nn.LSTM(3, 4)
    with torch.no_grad():
        model.weight_hh_l0[0, 0] = float("nan")
    with pytest.raises(CarouselError, match=r"weight_hh_l0 holds 1 values of 64 that are NaN or infinite"):
        recurrent_layers(model)
    with pytest.raises(CarouselError, match=r"must be a torch\.nn\.Module; got a function"):
        recurrent_layers(lambda x: x)
