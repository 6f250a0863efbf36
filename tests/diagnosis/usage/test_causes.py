"""A bug in how a model reads its batch is the first finding, and the healthy twin has no warning."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from used import BATCH_FIRST, BUGS, SEQUENCES, STEPS, Net, X

from carousel.diagnosis import diagnose, judge
from carousel.diagnosis.usage.causes import causes
from carousel.diagnosis.usage.dependencies import dependencies
from carousel.report.diagnosis.page import diagnosis_page

IDS = [f"{name}-{k}" for k, (name, *_) in enumerate(BUGS)]


@pytest.mark.parametrize(("name", "ill", "twin", "batch"), BUGS, ids=IDS)
def test_the_bug_is_the_cause(name, ill, twin, batch):
    """It is the first finding, with evidence that has crossed its threshold and something to do."""
    first = judge(ill, batch)[0]
    assert first.name == name
    assert first.is_trouble
    assert first.evidence[0].crossed
    assert first.remedies


@pytest.mark.parametrize(("name", "ill", "twin", "batch"), BUGS, ids=IDS)
def test_the_healthy_twin_has_no_warning(name, ill, twin, batch):
    """The same model used rightly is judged well."""
    assert [finding.name for finding in judge(twin, batch) if finding.is_trouble] == []


@pytest.mark.parametrize("loss", [None, lambda out: out.square().mean()])
def test_the_first_line_says_how_the_batch_was_read(loss):
    """Steps, sequences and inputs, of right and of swapped data; and how many passes were sampled."""
    right = diagnose(Net(read=lambda out: out[:, -1], batch_first=True), BATCH_FIRST, loss)
    assert str(right).startswith(f"{STEPS} steps x {SEQUENCES} sequences x 4 inputs\n")
    wrong = diagnose(Net(read=lambda out: out[:, -1]), BATCH_FIRST, loss)
    assert str(wrong).startswith(f"{SEQUENCES} steps x {STEPS} sequences x 4 inputs\n")
    assert "sampled backward passes" in str(wrong)
    assert wrong.usage.dependencies.passes < 20


def test_a_cause_is_reported_where_layers_cannot_be_measured():
    """A cell that never gets its state back has sequences of one step: the report says why."""
    (_, ill, _, batch), *_ = [bug for bug in BUGS if bug[0] == "one step only"]
    report = diagnose(ill, batch)
    assert report.findings[0].name == "one step only"
    assert report.layers == ()
    assert "pass the state" in str(report)
    assert "pass the state" in diagnosis_page(report)


def test_the_remedy_for_swapped_axes_cures():
    """batch_first is turned in place, and the finding is gone."""
    model = Net(read=lambda out: out[:, -1])
    finding = judge(model, BATCH_FIRST)[0]
    assert finding.apply(model) == ["rnn: batch_first=True"]
    assert not judge(model, BATCH_FIRST)[0].is_trouble


def test_the_detached_stretch_is_measured():
    """The gradient of step 40 ends where the state was detached last, at step 37."""
    (_, ill, _, batch), *_ = [bug for bug in BUGS if bug[0] == "detached state"]
    found = dependencies(ill, batch)
    assert (found.earliest, found.latest, found.hidden_before) == (36, 39, True)


def test_the_model_is_as_it_was():
    """Weights, gradients, modes, attributes and random numbers, though it was run several times."""
    (_, ill, _, batch), *_ = [bug for bug in BUGS if bug[0] == "carried state"]
    ill.train()
    before, random = copy.deepcopy(ill.state_dict()), torch.get_rng_state()
    judge(ill, batch)
    assert all(torch.equal(value, before[name]) for name, value in ill.state_dict().items())
    assert all(parameter.grad is None for parameter in ill.parameters())
    assert ill.training
    assert ill.state is None
    assert torch.equal(random, torch.get_rng_state())


def test_packed_and_ragged_batches_are_followed():
    """Lengths differ: no sequence is taken for one that the gradient does not reach."""
    packed = nn.utils.rnn.pack_sequence([X[:n, 0] for n in (40, 25, 11)])
    model = nn.GRU(4, 16)
    found = dependencies(model, packed)
    assert found.words == "40 steps x 3 sequences x 4 inputs"
    assert not any(finding.is_trouble for finding in judge(model, packed) if not finding.layers)


def test_an_encoder_and_a_decoder_see_all_steps():
    """A decoder that reads the end of an encoder looks at later steps of the data, rightly."""

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.GRU(4, 16), nn.GRU(4, 16)

        def forward(self, x, y):
            return self.decoder(y, self.encoder(x)[1])[0]

    found = [finding.name for finding in judge(Translator(), (X, X.clone()))]
    assert "look-ahead" not in found
    assert "mixed sequences" not in found


class Around(nn.Module):
    """Something before a recurrent layer, and a way to read what it returns."""

    def __init__(self, before, rnn, read):
        super().__init__()
        self.before, self.rnn, self.read = before, rnn, read

    def forward(self, x):
        return self.read(self.rnn(self.before(x)))


class Strided(nn.Conv1d):
    """A convolution over the steps of (B, T, I)."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def _final(result):
    return result[1][-1]


ORDINARY = {
    "mean over time": (Around(nn.Identity(), nn.GRU(4, 8, 2, bidirectional=True), lambda r: r[0].mean(0)), X),
    "final state": (Around(nn.Identity(), nn.GRU(4, 8), _final), X),
    "both directions at all steps": (nn.GRU(4, 8, bidirectional=True), X),
    "layers before": (
        Around(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), nn.GRU(2, 8), _final),
        X,
    ),
    "a convolution with strides": (
        Around(Strided(4, 6, 3, stride=2, padding=1), nn.GRU(6, 8, batch_first=True), lambda r: r[0][:, -1]),
        BATCH_FIRST,
    ),
    "attention": (
        Around(nn.Identity(), nn.GRU(4, 8), lambda r: (r[0] * r[0].sum(-1, keepdim=True).softmax(0)).sum(0)),
        X,
    ),
    "one sequence": (nn.GRU(4, 8), X[:, :1]),
    "unbatched": (nn.GRU(4, 8), X[:, 0]),
    "two steps": (Around(nn.Identity(), nn.GRU(4, 8), _final), X[:2]),
    "as many steps as sequences": (Around(nn.Identity(), nn.GRU(4, 8), _final), X[:SEQUENCES]),
    "images as steps": (
        Around(nn.Flatten(2), nn.GRU(16, 8, batch_first=True), lambda r: r[0][:, -1]),
        torch.randn(5, 9, 4, 4, generator=torch.Generator().manual_seed(0)),
    ),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_models_are_not_accused(name):
    """What people build around a recurrent layer, used rightly: dependencies are found, and no cause."""
    model, batch = ORDINARY[name]
    found = dependencies(model, batch)
    assert found is not None
    assert causes(found) == []
