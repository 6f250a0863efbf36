"""Models that are right, of kinds that a check once took for wrong, and calls that once ended in an error."""

import random
import threading
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carousel.diagnosis import diagnose, judge
from carousel.errors import CarouselError


class Net(nn.Module):
    """A GRU over (B, T, I) between two functions."""

    def __init__(self, inputs=3, before=lambda x: x, read=lambda out: out[:, -1], outputs=2):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(inputs, 16, batch_first=True), nn.Linear(16, outputs)
        self.before, self.read = before, read

    def forward(self, x):
        return self.head(self.read(self.rnn(self.before(x))[0]))


class Document(nn.Module):
    """Words of sentences, sentences of a document: (D, S, W, I)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.sentences = nn.GRU(8, 12, batch_first=True), nn.GRU(12, 12, batch_first=True)

    def forward(self, x):
        state = self.words(x.flatten(0, 1))[1][0]
        return self.sentences(state.view(*x.shape[:2], -1))[0][:, -1]


class Translator(nn.Module):
    """An encoder that reads backwards, and a decoder that is taught by chance."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder, self.head = nn.GRU(3, 16), nn.GRUCell(3, 16), nn.Linear(16, 3)

    def forward(self, x, y):
        h, given, found = self.encoder(x.flip(0))[1][0], torch.zeros_like(y[0]), []
        for target in y:
            h = self.decoder(given, h)
            found.append(self.head(h))
            given = target if random.random() < 0.5 else found[-1]
        return torch.stack(found)


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def calendar():
    day = F.one_hot(torch.arange(28) % 7, 7).float().expand(16, 28, 7)
    return torch.cat([numbers(16, 28, 1), day], -1)


class Masked(nn.Module):
    """A policy: the state begins anew where an episode ended, for some at the last step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = nn.GRUCell(3, 16), nn.Linear(16, 2)

    def forward(self, x, done):
        h, found = x.new_zeros(x.shape[1], 16), []
        for each, ended in zip(x, done, strict=True):
            h = self.cell(each, h * ~ended[:, None])
            found.append(self.head(h))
        return torch.stack(found)


class Described(nn.Module):
    """One vector in, a sequence out: the decoder reads zeros from a state that the vector gives."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.start, self.rnn, self.head = nn.Linear(5, 16), nn.GRU(3, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.rnn(x.new_zeros(20, len(x), 3), self.start(x)[None])[0])


class Rounded(Net):
    """Its products are rounded to half precision."""

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


def cue():
    """A cue of two to nine steps, then silence until the answer is asked for."""
    ends = torch.arange(8) + 2
    return numbers(8, 30, 3) * (torch.arange(30) < ends[:, None])[..., None]


def events():
    """Now and then a pulse, nothing between."""
    return numbers(8, 60, 3) * (numbers(8, 60, 1) > 1.3)


def done():
    ended = torch.zeros(30, 8, dtype=torch.bool)
    ended[-1, 0] = ended[12, 3] = ended[-1, -1] = True
    return ended


RIGHT = {
    "episodes that end": (Masked(), (numbers(30, 8, 3), done())),
    "one to many": (Described(), numbers(8, 5)),
    "half precision": (Rounded(), numbers(8, 30, 3)),
    "a cue, then silence": (Net(), cue()),
    "rare events": (Net(), events()),
    "rare events of one size": (Net(), (numbers(8, 60, 3) > 2.3).float()),
    "missing numbers that are masked": (
        Net(6, before=lambda x: torch.cat([x.nan_to_num(), x.isnan().float()], -1)),
        numbers(8, 30, 3).masked_fill(numbers(8, 30, 3) > 2, float("nan")),
    ),
    "clamped inputs": (Net(before=lambda x: x.clamp(-1.5, 1.5)), numbers(8, 30, 3)),
    "a calendar": (Net(8), calendar()),
    "one document": (Document(), numbers(1, 6, 12, 8)),
    "normalised sequences, one label": (Net(before=lambda x: x - x.mean(1, keepdim=True)), numbers(8, 30, 3)),
    "a taught decoder": (Translator(), (numbers(20, 6, 3), numbers(12, 6, 3))),
    "two views of each sequence": (
        Net(before=lambda x: torch.cat([x, -x]), read=lambda out: out[:, -1].view(2, -1, 16).mean(0)),
        numbers(8, 30, 3),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_model_has_no_cause(name):
    """Nothing is wrong with how it is used."""
    model, batch = RIGHT[name]
    assert [found.name for found in judge(model, batch) if found.is_trouble and not found.layers] == []


def test_logarithms_of_probabilities_are_no_mistake():
    """log_softmax with nll_loss; constant answers that are tried are not those of the model."""
    model, target = Net(), torch.randint(2, (8,), generator=torch.Generator().manual_seed(0))
    found = judge(
        nn.Sequential(model, nn.LogSoftmax(-1)), numbers(8, 30, 3), lambda out: F.nll_loss(out, target)
    )
    assert "probabilities as logits" not in [each.name for each in found]


def test_pairs_of_outputs_are_meant():
    """A loss that ranks compares every output with every other."""
    target = numbers(8)

    def rank(out):
        return F.softplus(-(out[:, :1] - out[:, 0]) * (target[:, None] - target).sign()).mean()

    assert "broadcast loss" not in [found.name for found in judge(Net(outputs=1), numbers(8, 30, 3), rank)]


def test_a_named_tuple_stays_one():
    """The constant answer of a model that returns a NamedTuple is one, too."""

    class Answer(NamedTuple):
        values: torch.Tensor
        state: torch.Tensor

    class Named(Net):
        def forward(self, x):
            out, state = self.rnn(x)
            return Answer(self.head(out), state)

    target = numbers(8, 30, 2)
    report = diagnose(Named(), numbers(8, 30, 3), lambda answer: F.mse_loss(answer.values, target))
    assert report.usage.loss.constant == pytest.approx(
        float(target.var((0, 1), correction=0).mean()), rel=0.05
    )


def test_nothing_changes_and_nothing_is_drawn():
    """A loss with its own decay reaches the model's parameters; remedies are tried on copies."""
    model, forgetful, target = Net(read=lambda out: out), nn.RNN(3, 8), numbers(8, 30, 2)

    def loss(out):
        return F.mse_loss(out, target) + 1e-3 * sum(p.square().sum() for p in model.parameters())

    state, drawn = random.getstate(), torch.get_rng_state()
    diagnose(model, numbers(8, 30, 3), loss, optimizer=torch.optim.Adam(model.parameters()))
    judge(forgetful, numbers(200, 4, 3))  # vanishing, with a remedy that draws anew
    assert all(parameter.grad is None for parameter in model.parameters())
    assert random.getstate() == state
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_model_may_hold_tensors_of_a_graph():
    """Features kept for a log have no copies; the model is diagnosed all the same."""

    class Logging(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.head = nn.GRU(3, 8), nn.Linear(8, 1)

        def forward(self, x):
            self.features = self.rnn(x)[0]
            return self.head(self.features)

    model = Logging()
    model(numbers(200, 4, 3))
    assert diagnose(model, numbers(200, 4, 3)).findings[0].is_trouble


def test_two_modules_whose_output_is_the_loss():
    """What has no steps is not followed from end to end; the rest is measured."""

    class Losing(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.GRU(3, 8), nn.GRU(8, 1)

        def forward(self, x, y):
            return F.mse_loss(self.b(self.a(x)[0])[0], y)

    report = diagnose(Losing(), (numbers(20, 5, 3), numbers(20, 5, 1)), lambda out: out)
    assert report.end_to_end is None
    assert len(report.layers) == 2


def test_a_state_that_is_changed_in_place():
    """The replay begins from the state as it was when the module read it."""

    class Stateful(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("state", torch.zeros(1, 8, 16))

        def forward(self, x):
            out, state = self.rnn(x, self.state)
            self.state.copy_(state.detach())
            return self.head(out)

    assert diagnose(Stateful(), numbers(8, 30, 3)).layers[0].steps == 30


def test_a_margin_that_is_kept_has_nothing_to_learn():
    """A hinge loss of 0 has no gradient, and is far below chance."""
    model, x = Net(outputs=1), numbers(8, 30, 3)
    target = torch.where(x[:, -1, 0] > 0, 1.0, -1.0)

    def loss(out):
        return (1 - target * out[:, 0]).clamp(min=0).mean()

    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        loss(model(x)).backward()
        optimizer.step()
    assert loss(model(x)).item() == 0
    found = [each.name for each in judge(model, x, loss, optimizer=optimizer) if each.is_trouble]
    assert not {"no gradient", "learning rate too high"} & set(found)


def test_an_embedding_may_have_sparse_gradients():
    """The gradients by layer, the loss and the trials of the optimizers are those of a dense one."""

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.rnn, self.head = (
                nn.Embedding(20, 3, sparse=True),
                nn.GRU(3, 16),
                nn.Linear(16, 20),
            )

        def forward(self, x):
            return self.head(self.rnn(self.words(x))[0])

    model, x = Words(), torch.randint(20, (30, 6), generator=torch.Generator().manual_seed(0))
    rest = [p for name, p in model.named_parameters() if name != "words.weight"]
    both = [torch.optim.SparseAdam([model.words.weight], 1e-3), torch.optim.Adam(rest, 1e-3)]
    report = diagnose(
        model, x, lambda out: F.cross_entropy(out[:-1].flatten(0, 1), x[1:].flatten()), optimizer=both
    )
    assert [found.name for found in report.findings if found.is_trouble] == []
    assert "words" in report.by_layer.names


def test_a_loss_with_numbers_of_its_own_stays_as_it_was():
    """A diagnosis calls a loss often; a running mean inside it belongs to the training."""

    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, out):
            return self.norm(out).square().mean()

    loss = Normalised()
    diagnose(Net(), numbers(8, 30, 3), loss)
    assert int(loss.norm.num_batches_tracked) == 0


def test_a_model_that_has_no_copies_is_diagnosed():
    """One with a lock, and one in half precision: remedies are tried where they can be."""

    class Locked(Net):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()
            with torch.no_grad():
                self.rnn.bias_ih_l0[16:32] = -4.0

    assert judge(Locked(), numbers(8, 200, 3))[0].is_trouble
    half = nn.RNN(3, 16).bfloat16()
    with torch.no_grad():
        half.weight_hh_l0.mul_(0.1)
    finding = judge(half, numbers(60, 4, 3).bfloat16())[0]
    assert finding.apply(half)


def test_a_mask_is_not_taken_for_the_data():
    """The first tensor of the batch is a mask, the second holds the sequences."""

    class Masking(Net):
        def forward(self, mask, x):
            return self.head((self.rnn(x)[0] * mask[..., None]).sum(1))

    batch = {"mask": torch.ones(8, 30, dtype=torch.bool), "x": numbers(8, 30, 3)}
    assert diagnose(Masking(), batch).usage.dependencies.steps == 30


def test_a_criterion_is_no_loss_of_the_output_alone():
    """The most common mistake is told with what to write instead."""
    with pytest.raises(CarouselError, match=r"loss=lambda output: criterion\(output, targets\)"):
        diagnose(Net(), numbers(8, 30, 3), nn.MSELoss())
