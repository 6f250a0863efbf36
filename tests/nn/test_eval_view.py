"""A model in eval mode beside the one that trains."""

import types
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import carousel
from carousel.nn.eval_view import eval_view


class Counting(nn.Module):
    """A layer that changes itself when it runs, in every way a layer can."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))
        self.calls, self.log = 0, []
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
        self.forward = types.MethodType(type(self).counted, self)

    def counted(self, x):
        self.calls += 1
        self.log.append(self.training)
        self.seen += 1
        self.inner[0].last = x
        return self.inner(x)


def test_nothing_that_the_twin_does_reaches_the_model():
    """Modes, attributes, lists, buffers and a forward of the instance are the twin's own; parameters are shared."""
    model = Counting()
    twin = eval_view(model)
    x = torch.ones(2, 3)
    assert torch.equal(twin(x), model.inner[0](x))  # nothing is dropped
    assert (model.calls, model.log, float(model.seen)) == (0, [], 0)
    assert not hasattr(model.inner[0], "last")
    assert (twin.calls, twin.log, float(twin.seen)) == (1, [False], 1)
    assert all(each.training for each in model.modules())
    assert [id(p) for p in twin.parameters()] == [id(p) for p in model.parameters()]


def test_the_twin_computes_what_the_model_does_in_eval_mode():
    """Shared and tied modules, empty ones, and weights that are computed before each call."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    model = nn.Sequential(
        layer,
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
        nn.Sequential(),
        nn.BatchNorm1d(4),
        nn.Dropout(0.9),
        layer,
    )
    x = torch.randn(5, 4)
    model(x)
    found = eval_view(model)(x)
    twin = eval_view(model)
    assert twin[0] is twin[5] is not layer
    assert torch.equal(found, model.eval()(x))


@dataclass(frozen=True)
class Named:
    layer: nn.Module


def test_layers_that_are_held_elsewhere_too_are_the_twins():
    """A list, a dictionary, a dataclass or an attribute that a forward reads lead to the twin, in eval mode as well."""

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.9)
            self.held = [self.drop, {"a": (self.drop, Named(self.drop))}]
            vars(self)["alias"] = self.drop
            self.run = self.drop.forward

        def forward(self, x):
            first, more = self.held
            for each in (first, more["a"][0], more["a"][1].layer, self.alias, self.run):
                x = each(x)
            return x

    model, x = Holder(), torch.ones(50)
    assert torch.equal(eval_view(model)(x), x)
    assert not torch.equal(model(x), x)


def test_hooks_of_the_twin_are_its_own():
    """The twin has the hooks of the model; one that is added to it runs in no thread that uses the model."""
    model, heard = nn.Linear(2, 2), []
    model.register_forward_hook(lambda *_: heard.append("model"))
    twin = eval_view(model)
    with twin.register_forward_hook(lambda *_: heard.append("twin")):
        model(torch.ones(1, 2))
        assert heard == ["model"]
        twin(torch.ones(1, 2))
    assert heard == ["model", "model", "twin"]


def test_the_twin_of_a_compiled_model_is_that_of_the_original():
    """What torch.compile wraps is bound to the original, whose mode it would ask for."""
    model = carousel.LSTM(3, 4, num_layers=2, dropout=0.9)
    x = torch.ones(5, 2, 3)
    expected = eval_view(model)(x)[0]
    assert torch.equal(eval_view(torch.compile(model, backend="eager"))(x)[0], expected)
    model.compile(backend="eager")
    assert torch.equal(eval_view(model)(x)[0], expected)
    assert model.training


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_model_keeps_its_mode():
    """TorchScript keeps the mode where Python cannot copy it."""
    model = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
    twin = eval_view(model)
    assert torch.equal(twin(torch.ones(1, 2)), twin(torch.ones(1, 2)))
    assert model.training
