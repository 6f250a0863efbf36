"""from_torch: torch's modules become ours."""

import copy
import functools
import types

import pytest
import torch
from tolerances import assert_close
from torch import nn
from torch.nn.utils import prune

import carousel
from carousel import CarouselError, from_torch, to_torch
from carousel.equations.catalogue import CELLS


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


@pytest.mark.parametrize("module", [nn.LSTMCell(3, 5), nn.Linear(3, 5), nn.Sequential(nn.Tanh()), "LSTM"])
def test_refused(module):
    """What holds no layer of torch's is refused by name."""
    with pytest.raises(
        CarouselError, match=rf"converts .*; it got {type(module).__name__}, in which there is none"
    ):
        from_torch(module)


class Tagger(nn.Module):
    """A model with two layers of torch's, one in two places, a hook that is its own method, and other modules."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.embed = nn.Embedding(11, 3, dtype=dtype)
        self.encoder = nn.ModuleDict(
            {"rnn": nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True, dtype=dtype)}
        )
        self.decoder = nn.GRU(8, 5, batch_first=True, dtype=dtype)
        self.again = self.encoder["rnn"]
        self.listed = [self.decoder]
        self.out = nn.Linear(5, 2, dtype=dtype)
        self.seen = 0
        self.decoder.register_forward_hook(self.count)

    def count(self, module, inputs, result):
        self.seen += 1

    def forward(self, tokens):
        return self.out(self.decoder(self.encoder["rnn"](self.embed(tokens))[0])[0])


def results(model, tokens):
    """The output and all gradients."""
    output = model(tokens)
    return output, torch.autograd.grad(
        output.square().sum(), [p for p in model.parameters() if p.requires_grad]
    )


def test_whole_model():
    """Every layer inside a model is ours, in every place where it stood; outputs and gradients stay."""
    model, tokens = Tagger(), torch.randint(11, (2, 6))
    ours = from_torch(model)
    assert type(ours) is Tagger
    assert type(ours.encoder["rnn"]) is carousel.LSTM
    assert type(ours.decoder) is carousel.GRU
    assert ours.again is ours.encoder["rnn"]
    assert ours.listed[0] is ours.decoder
    assert list(ours.state_dict()) == list(model.state_dict())
    assert_close(results(ours, tokens), results(model, tokens))
    assert (ours.seen, model.seen) == (1, 1)  # each model's hook is its own method
    assert type(model.decoder) is nn.GRU
    back = to_torch(ours)
    assert type(back.again) is nn.LSTM
    assert back.again is back.encoder["rnn"]
    assert_close(results(back, tokens), results(model, tokens))


def test_what_a_model_keeps():
    """Training mode, requires_grad, shared parameters, hooks, attributes, buffers and random numbers, both ways."""
    model = Tagger().eval()
    model.out.train()
    model.decoder.weight_hh_l0.requires_grad_(False)
    other = nn.GRU(8, 5, dtype=torch.float64)
    other.weight_ih_l0 = model.decoder.weight_ih_l0
    model.other = other
    model.decoder.note, model.decoder.sizes = "mine", {"a": [1]}
    model.decoder.register_buffer("mean", torch.ones(2))
    model.again.register_forward_pre_hook(double_input)
    tokens, before = torch.randint(11, (2, 6)), torch.get_rng_state()
    for converted in (from_torch(model), to_torch(from_torch(model))):
        assert [m.training for m in converted.modules()] == [m.training for m in model.modules()]
        assert [p.requires_grad for p in converted.parameters()] == [
            p.requires_grad for p in model.parameters()
        ]
        assert converted.other.weight_ih_l0 is converted.decoder.weight_ih_l0
        assert converted.decoder.weight_ih_l0 is not model.decoder.weight_ih_l0
        assert (converted.decoder.note, converted.decoder.sizes) == ("mine", {"a": [1]})
        assert converted.decoder.sizes is not model.decoder.sizes
        assert converted.decoder.mean.equal(torch.ones(2))
        assert "decoder.mean" in converted.state_dict()
        assert_close(converted(tokens), model(tokens))
    assert torch.get_rng_state().equal(before)


def double_input(module, inputs):
    return (2 * inputs[0], *inputs[1:])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: nn.utils.parametrizations.weight_norm(m, "weight_hh_l0"),
        lambda m: nn.utils.parametrizations.spectral_norm(m, "weight_hh_l0"),
        lambda m: nn.utils.parametrizations.orthogonal(m, "weight_hh_l0"),
        lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5),
    ],
    ids=["weight_norm", "spectral_norm", "orthogonal", "prune"],
)
@pytest.mark.parametrize("way", [from_torch, lambda m: to_torch(from_torch(m))], ids=["from", "to"])
def test_parametrized(wrap, way):
    """Parametrizations and hooks of torch.nn.utils are kept, as copies, and train."""
    module = wrap(nn.GRU(5, 5)).eval()
    names = sorted(module.state_dict())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    x = torch.randn(4, 2, 5)
    expected = module(x)[0]
    converted = way(module)
    assert sorted(converted.state_dict()) == names
    assert_close(converted(x)[0], expected)
    converted.train()(x)[0].sum().backward()
    with torch.no_grad():
        for parameter in converted.parameters():
            assert parameter.grad is not None
            parameter.add_(1)
    assert all(before[name].equal(value) for name, value in module.state_dict().items())


def test_deprecated_weight_norm():
    """The weight_norm that is a hook is kept too."""
    with pytest.warns(FutureWarning, match="deprecated"):
        module = nn.utils.weight_norm(nn.LSTM(3, 5), "weight_hh_l0")
    x = torch.randn(4, 2, 3)
    converted = from_torch(module)
    assert_close(converted(x)[0], module(x)[0])
    with torch.no_grad():
        converted.weight_hh_l0_g.mul_(2)
        module.weight_hh_l0_g.mul_(2)
    assert_close(converted(x)[0], module(x)[0])


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("convert", [from_torch, to_torch])
@pytest.mark.parametrize(
    ("put", "source"),
    [
        (lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5), "weight_hh_l0_orig"),
        (lambda m: nn.utils.weight_norm(m, "weight_hh_l0"), "weight_hh_l0_g"),
        (lambda m: nn.utils.spectral_norm(m, "weight_hh_l0"), "weight_hh_l0_orig"),
    ],
    ids=["prune", "weight_norm", "spectral_norm"],
)
def test_computed_weights_are_those_of_now(convert, put, source):
    """A weight that a hook computes is computed from the parameters as they are, also without a call in between."""
    module = nn.GRU(3, 5) if convert is from_torch else carousel.GRU(3, 5)
    put(module)
    module(torch.zeros(2, 1, 3))
    with torch.no_grad():
        getattr(module, source).copy_(torch.rand_like(getattr(module, source)))
    converted = convert(module)
    found, vectors = converted.weight_hh_l0, dict(converted.named_buffers())
    assert not torch.equal(found, module.weight_hh_l0)
    assert_close(vectors, dict(module.named_buffers()))
    module.eval()(torch.zeros(2, 1, 3))
    assert_close(found, module.weight_hh_l0.detach())


def test_a_forward_of_its_own():
    """A subclass of torch's that computes something else stays what it is."""

    class Twice(nn.GRU):
        def forward(self, x):
            return 2 * super().forward(x)[0]

    model = nn.ModuleList([Twice(3, 5), nn.GRU(3, 5)])
    converted = from_torch(model)
    assert [type(each) for each in converted] == [Twice, carousel.GRU]
    with pytest.raises(CarouselError, match="it got Twice"):
        from_torch(Twice(3, 5))


def test_what_cannot_be_copied():
    """A model with tensors of a graph among its attributes is refused with torch's reason."""
    model = Tagger()
    model.last = model(torch.randint(11, (2, 6)))
    with pytest.raises(CarouselError, match=r"can be copied.*explicitly"):
        from_torch(model)


class KeepsMethods(nn.Module):
    """A model that holds methods of its layer, alone and inside of other things."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn, self.fn, self.call = rnn, rnn.forward, rnn.__call__
        self.fns = {"a": [functools.partial(rnn.forward, hx=None)]}
        rnn.own = rnn.forward

    def forward(self, x):
        return [call(x)[0] for call in (self.fn, self.call, self.fns["a"][0], self.rnn.own)]


@pytest.mark.parametrize(("convert", "kind"), [(from_torch, nn.GRU), (to_torch, carousel.GRU)])
def test_methods_that_a_model_keeps(convert, kind):
    """They become those of the new module, with its weights."""
    model, x = KeepsMethods(kind(3, 5)), torch.randn(4, 2, 3)
    before = model(x)
    converted = convert(model)
    assert converted.fn == converted.rnn.forward
    assert_close(converted(x), before)
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter.zero_()
    assert all(output.eq(0).all() for output in converted(x))
    assert_close(model(x), before)


def test_a_method_of_a_users_own():
    """A function that was bound to a layer is bound to the new one."""
    model = nn.Sequential(nn.GRU(3, 5))
    model.width = types.MethodType(lambda module: (type(module), module.hidden_size), model[0])
    assert from_torch(model).width() == (carousel.GRU, 5)


@pytest.mark.parametrize(
    "module",
    [
        carousel.RNN(3, 5, 2, nonlinearity="relu", bias=False),
        carousel.GRU(3, 5, batch_first=True, bidirectional=True, dtype=torch.float64),
        carousel.LSTM(3, 5, 2, dropout=0.5).eval(),
        carousel.Recurrent(CELLS["lstm"], 3, 5),
    ],
    ids=["RNN", "GRU", "LSTM", "Recurrent"],
)
def test_to_torch(module):
    """Options, weights and results go back to torch's module of the same equations."""
    theirs = to_torch(module)
    assert type(theirs).__module__.startswith("torch.nn")
    assert theirs.mode == module.mode
    for name in (
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    ):
        assert getattr(theirs, name) == getattr(module, name)
    x = torch.randn(4, 2, 3, dtype=module.weight_hh_l0.dtype)
    assert_close(theirs(x), module(x))
    with torch.no_grad():
        theirs.weight_hh_l0.add_(1)
    assert not theirs(x)[0].allclose(module(x)[0])


def test_to_torch_without_a_bias():
    """A bias that is None is one of zeros that does not learn."""
    module, x = carousel.LSTM(3, 5), torch.randn(4, 2, 3)
    module.bias_hh_l0 = None
    theirs = to_torch(module)
    assert_close(theirs(x), module(x))
    assert not theirs.bias_hh_l0.requires_grad


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (carousel.LSTM(3, 5, peephole="full"), "torch has no FullPeepholeLSTM"),
        (nn.Sequential(carousel.GRU(3, 5, reset="before")), "cannot convert 0: torch has no ResetBeforeGRU"),
        (carousel.RNN(3, 5, nonlinearity="elu"), "torch has no Elman"),
        (carousel.LSTM(3, 5, weight_drop=0.5), "torch's modules have no weight_drop"),
        (carousel.Stack(carousel.GRU(3, 5)), "torch has no Stack"),
        (nn.LSTM(3, 5), "it got LSTM, in which there is none"),
    ],
    ids=["peephole", "in a model", "elu", "weight_drop", "Stack", "torch's"],
)
def test_no_way_back(module, reason):
    """Where torch has no such cell the reason is told."""
    with pytest.raises(CarouselError, match=reason):
        to_torch(module)
