"""What is wrong with a loss is the first finding; the loss put right has no warning."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))

from used import BATCH_FIRST, SEQUENCES, Net, X, waves

from carousel.diagnosis import diagnose, judge
from carousel.diagnosis.usage.loss import loss_facts

TARGETS = torch.randn(SEQUENCES, generator=torch.Generator().manual_seed(3))
LABELS = torch.randint(2, (SEQUENCES,), generator=torch.Generator().manual_seed(3))


class One(Net):
    """One number for each sequence, (B, 1)."""

    def forward(self, x):
        return super().forward(x)[:, :1]


LOSSES = {
    "broadcast loss": [
        (One(), lambda out: F.mse_loss(out, TARGETS), lambda out: F.mse_loss(out[:, 0], TARGETS)),
        (One(), lambda out: ((out - TARGETS) ** 2).mean(), lambda out: ((out[:, 0] - TARGETS) ** 2).mean()),
    ],
    "probabilities as logits": [
        (
            Net(),
            lambda out: F.cross_entropy(out.softmax(-1), LABELS),
            lambda out: F.cross_entropy(out, LABELS),
        ),
        (
            One(),
            lambda out: F.binary_cross_entropy_with_logits(out.sigmoid().squeeze(1), LABELS.float()),
            lambda out: F.binary_cross_entropy_with_logits(out[:, 0], LABELS.float()),
        ),
        (
            Net(),
            lambda out: F.nll_loss(out.softmax(-1), LABELS),
            lambda out: F.nll_loss(out.log_softmax(-1), LABELS),
        ),
    ],
}
BUGS = [(name, *case) for name, cases in LOSSES.items() for case in cases]


@pytest.mark.parametrize(("name", "model", "wrong", "right"), BUGS)
def test_a_wrong_loss_is_the_cause(name, model, wrong, right):
    """The first finding of the wrong one, and no warning of the right one."""
    first = judge(model, X, wrong)[0]
    assert first.name == name
    assert first.evidence[0].what
    assert [finding.name for finding in judge(model, X, right) if finding.is_trouble] == []


def test_the_best_constant_answer():
    """Of a squared error the variance of the targets, of a cross-entropy the entropy of their shares."""
    squared = loss_facts(One(), X, lambda out: F.mse_loss(out[:, 0], TARGETS))
    assert squared.constant == pytest.approx(TARGETS.var(correction=0).item(), rel=1e-3)
    shares = LABELS.bincount() / SEQUENCES
    crossed = loss_facts(Net(), X, lambda out: F.cross_entropy(out, LABELS))
    assert crossed.constant == pytest.approx(-(shares * shares.log()).sum().item(), rel=1e-3)
    assert crossed.falls > 0.01


@pytest.mark.parametrize("wrap", [lambda y, s: (y, (s, [s])), lambda y, s: {"y": y, "state": s}])
def test_the_output_may_stand_beside_states(wrap):
    """Of a tuple or a dict the first tensor of numbers is made constant, and the rest stays."""

    class Wrapped(One):
        def forward(self, x):
            return wrap(super().forward(x), torch.zeros(3))

    def loss(out):
        y = out["y"] if isinstance(out, dict) else out[0]
        return F.mse_loss(y[:, 0], TARGETS)

    found = loss_facts(Wrapped(), X, loss)
    assert found.constant == pytest.approx(TARGETS.var(correction=0).item(), rel=1e-3)


def test_a_dead_head_is_told():
    """An output layer behind a rectifier that is always off has no gradient; another bias, and it learns."""

    class Rectified(Net):
        def forward(self, x):
            return super().forward(x).relu()

    model = Rectified()
    with torch.no_grad():
        model.head.bias.fill_(-9)
    loss = lambda out: F.mse_loss(out[:, 0], TARGETS)  # noqa: E731
    assert judge(model, X, loss)[0].name == "dead head"
    with torch.no_grad():
        model.head.bias.fill_(1)
    assert not judge(model, X, loss)[0].is_trouble


def test_a_loss_that_no_layer_reaches():
    """What went through NumPy has no gradient: the recurrent layer is named, and no error is raised."""

    class Cut(One):
        def forward(self, x):
            return self.head(torch.tensor(self.rnn(x)[0][-1].detach().numpy()))

    finding = diagnose(Cut(nn.GRU), X, lambda out: F.mse_loss(out[:, 0], TARGETS)).findings[0]
    assert finding.name == "parameters without a gradient"
    assert "rnn.weight_ih_l0" in finding.sentence


def test_a_dead_layer_before_the_output():
    """Only the last bias has a gradient: outputs are constant, whatever the step along it does."""
    torch.manual_seed(0)
    model = nn.Sequential(One(nn.GRU), nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    with torch.no_grad():
        model[1].bias.fill_(-50.0)
    assert judge(model, X, lambda out: F.mse_loss(out[:, 0], TARGETS))[0].name == "dead head"


def test_biases_alone_may_be_trained():
    """A model whose matrices are frozen has gradients where it wants them."""
    model = One(nn.GRU)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.dim() == 1)
    assert not judge(model, X, lambda out: F.mse_loss(out[:, 0], TARGETS))[0].is_trouble


def test_nothing_is_wrong_only_of_what_learns():
    """Without a loss, or at chance, no fault is found; below chance nothing is wrong."""
    model = One(nn.GRU)
    assert judge(model, X)[0].sentence.startswith("No fault was found")
    learning = judge(model, X, lambda out: F.mse_loss(out[:, 0], TARGETS))[0]
    assert learning.sentence.startswith("No fault was found")
    assert "has not learned yet" in learning.sentence


def test_the_default_loss_knows_steps_from_sequences():
    """Of a model that returns (B, T, C) from a layer that reads time first, where T = B, the last step is taken."""
    x = waves(14, 14)
    model = Net(read=lambda out: out.transpose(0, 1))
    report = diagnose(model, x)
    assert report.loss == pytest.approx(model(x)[:, -1].square().sum().item(), rel=1e-5)
    other = Net(read=lambda out: out)
    assert diagnose(other, x).loss == pytest.approx(other(x)[-1].square().sum().item(), rel=1e-5)
    assert (
        diagnose(model, BATCH_FIRST.transpose(0, 1)).loss_words == "the squared norm of the last valid output"
    )


def test_a_model_may_return_its_state_too():
    """The loss of the first tensor is compared with chance, whatever stands beside it."""

    class WithState(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.LSTM(3, 8), nn.Linear(8, 2)

        def forward(self, x):
            output, state = self.rnn(x)
            return self.head(output), state

    torch.manual_seed(0)
    target = torch.randn(30, 4, 2)
    facts = loss_facts(WithState(), torch.randn(30, 4, 3), lambda found: F.mse_loss(found[0], target))
    assert facts.constant == pytest.approx(float(target.var((0, 1), correction=0).mean()), rel=0.05)
