"""Look-ahead beside the targets of a loss: a forecast that sees its answer is a bug, labels of steps are none."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))

from used import Net, X, normalised

from carousel.diagnosis import judge
from carousel.diagnosis.verdicts.findings import NOTE, WARNING


class Tokens(nn.Module):
    """A convolution over the symbols to both sides, before a layer that reads forwards."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.mix = nn.Embedding(12, 8), nn.Conv1d(8, 8, 3, padding=1)
        self.rnn, self.head = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 12)

    def forward(self, x):
        mixed = self.mix(self.embedding(x).transpose(1, 2)).transpose(1, 2)
        return self.head(self.rnn(mixed)[0])


SYMBOLS = torch.randint(12, (9, 31), generator=torch.Generator().manual_seed(0))


def of_symbols(targets):
    return Tokens(), SYMBOLS[:, :-1], lambda out: F.cross_entropy(out.transpose(1, 2), targets)


def of_numbers(targets):
    return Net(before=normalised, read=lambda out: out), X[:-1], lambda out: F.mse_loss(out, targets)


class Attentive(Tokens):
    """Attention over all steps, those to come as well, after the layer."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x):
        out = self.rnn(self.embedding(x))[0]
        return self.head(out + self.attention(out, out, out)[0]).transpose(1, 2)


def attentive(targets):
    return Attentive(), SYMBOLS[:, :-1], lambda out: F.cross_entropy(out, targets)


def blurred(x):
    """The mean of each step and its neighbours."""
    return (x + torch.cat([x[:1], x[:-1]]) + torch.cat([x[1:], x[-1:]])) / 3


def denoised():
    """What a clean series is at this step, from noisy neighbours on both sides: no forecast."""
    noisy = X + 0.1 * torch.randn(X.shape, generator=torch.Generator().manual_seed(4))
    clean = X[..., :2]
    return Net(before=blurred, read=lambda out: out), noisy, lambda out: F.mse_loss(out, clean)


CASES = {
    "the clean series": (denoised(), NOTE),
    "next symbol, by attention": (attentive(SYMBOLS[:, 1:]), WARNING),
    "next symbol": (of_symbols(SYMBOLS[:, 1:]), WARNING),
    "label of a symbol": (of_symbols((SYMBOLS[:, :-1] + 5) % 12), NOTE),
    "next numbers": (of_numbers(X[1:, :, :2]), WARNING),
    "label of numbers": (of_numbers((X[:-1, :, :2] - X.mean(0)[:, :2]).abs()), NOTE),
}


@pytest.mark.parametrize("name", CASES)
def test_targets_are_looked_for_among_later_inputs(name):
    """Of symbols and of numbers."""
    (model, batch, loss), severity = CASES[name]
    [finding] = [each for each in judge(model, batch, loss) if each.name == "look-ahead"]
    assert finding.severity == severity
    assert ("The targets are among them" in finding.sentence) == (severity == WARNING)
