"""from_torch: torch's modules become ours."""

import copy

import pytest
import torch
from tolerances import assert_close
from torch import nn

import carousel
from carousel import CarouselError, from_torch


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.RNN(3, 5, 2), carousel.RNN),
        (nn.RNN(3, 5, nonlinearity="relu", bias=False), carousel.RNN),
        (nn.LSTM(3, 5, 2, bidirectional=True, batch_first=True), carousel.LSTM),
        (nn.GRU(3, 5, bias=False, bidirectional=True, dtype=torch.float64), carousel.GRU),
    ],
    ids=["RNN", "RNN relu", "LSTM", "GRU float64"],
)
def test_converted(module, kind):
    """Same kind, options, names, dtype and results; the weights are copies."""
    ours = from_torch(module)
    assert type(ours) is kind
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    names += ["nonlinearity"] if kind is carousel.RNN else []
    assert [getattr(ours, name) for name in names] == [getattr(module, name) for name in names]
    assert list(ours.state_dict()) == list(module.state_dict())
    x = torch.randn(4, 2, 3, dtype=module.weight_hh_l0.dtype)
    before = module(x)
    assert_close(ours(x), before)
    with torch.no_grad():
        ours.weight_hh_l0.add_(1)
    assert_close(module(x), before)


def test_kept():
    """Training mode, requires_grad and dropout are kept, and no random number is drawn."""
    module = nn.LSTM(3, 5, 2, dropout=0.5).eval()
    module.weight_ih_l1.requires_grad_(False)
    before = torch.get_rng_state()
    ours = from_torch(module)
    assert torch.get_rng_state().equal(before)
    assert not ours.training
    assert ours.dropout == 0.5
    assert [p.requires_grad for p in ours.parameters()] == [p.requires_grad for p in module.parameters()]
    assert from_torch(nn.LSTM(3, 5)).training


def test_meta_device():
    """A module on the meta device is converted there."""
    assert from_torch(nn.GRU(3, 5, device="meta")).weight_hh_l0.is_meta


def test_subclass():
    """A subclass of torch's module is converted as what it is underneath."""

    class Renamed(nn.LSTM):
        pass

    assert type(from_torch(Renamed(3, 5))) is carousel.LSTM


def test_converted_copies_and_trains():
    """The converted module can be copied and trained."""
    ours = copy.deepcopy(from_torch(nn.GRU(3, 5)))
    ours(torch.randn(4, 2, 3))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in ours.parameters())


@pytest.mark.parametrize("module", [nn.LSTMCell(3, 5), nn.Linear(3, 5), nn.Sequential(nn.LSTM(3, 5)), "LSTM"])
def test_refused(module):
    """Anything else is refused by name."""
    with pytest.raises(CarouselError, match=rf"converts .*; it got {type(module).__name__}"):
        from_torch(module)


def test_projection_refused():
    """An LSTM with a projection has no counterpart yet."""
    with pytest.raises(CarouselError, match="proj_size must be 0"):
        from_torch(nn.LSTM(3, 5, proj_size=2))
