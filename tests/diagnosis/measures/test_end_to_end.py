"""Whole models: an encoder with a decoder, layers of both directions, and a decoder that runs freely."""

from html import unescape

import numpy as np
import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import end_to_end, observe
from carousel.errors import CarouselError
from carousel.report.diagnosis.page import diagnosis_page


class Translator(nn.Module):
    """An encoder whose last state starts a decoder, which reads the target or, `freely`, its own output."""

    def __init__(self, freely: bool = False):
        super().__init__()
        self.freely = freely
        self.encoder, self.decoder = nn.GRU(3, 6), nn.GRU(2, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, source, target):
        _, h = self.encoder(source)
        if not self.freely:
            return self.head(self.decoder(target, h)[0])
        outputs, x = [], target[:1]
        for _ in range(len(target)):
            y, h = self.decoder(x, h)
            x = self.head(y)
            outputs.append(x)
        return torch.cat(outputs)


def batch():
    torch.manual_seed(0)
    return torch.randn(12, 4, 3), torch.randn(7, 4, 2)


def test_an_encoder_is_followed_through_its_decoder():
    """Norms are those of autograd's whole Jacobian, at the inputs of both modules."""
    torch.manual_seed(0)
    model, (source, target) = Translator().double(), (each.double() for each in batch())
    found = end_to_end(model, (source, target), directions=2000)
    jacobian = torch.autograd.functional.jacobian(lambda s: model(s, target)[-1, 0], source)  # (2, T, B, 3)
    exact = jacobian[:, :, 0].square().sum(dim=(0, 2)) / 2
    assert list(found.log_norms) == ["encoder", "decoder"]
    np.testing.assert_allclose(2 * found.log_norms["encoder"][:, 0], exact.log().numpy(), atol=0.15)
    report = carousel.diagnose(model, (source, target))
    assert "From end to end, the output at the last step sees" in str(report)
    assert "of the input of encoder" in report.end_to_end.words


def test_both_directions_are_followed_from_the_middle():
    """The middle output of a bidirectional stack sees inputs before and after it; nothing crosses a sequence's end."""
    torch.manual_seed(0)
    model = carousel.LSTM(3, 6, num_layers=2, bidirectional=True)
    x = torch.randn(20, 3, 3)
    found = carousel.diagnose(model, x).end_to_end
    assert found.output == "the middle step"
    seen = np.flatnonzero(found.seen(""))
    assert seen[0] < 10 < seen[-1]

    class Ragged(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = model

        def forward(self, x):
            return self.lstm(x, lengths=torch.tensor([20, 12, 5]))

    ragged = end_to_end(Ragged(), x)
    assert np.isnan(ragged.log_norms["lstm"][5:, 2]).all()
    assert np.isfinite(ragged.log_norms["lstm"][:5, 2]).all()


def test_one_layer_needs_none():
    """Of a single stack that runs forwards the typical gradient says the same."""
    assert carousel.diagnose(nn.LSTM(3, 4, num_layers=2), torch.randn(9, 2, 3)).end_to_end is None


def test_a_decoder_that_runs_freely_is_told():
    """Its input depends on its output: the report says that the loop was not followed. With targets it does not."""
    torch.manual_seed(0)
    for freely in (True, False):
        model = Translator(freely)
        assert observe(model, batch()).reads_itself == (["decoder"] if freely else [])
        said = [
            each
            for each in carousel.diagnose(model, batch()).limits
            if "reads its own earlier output" in each
        ]
        assert len(said) == freely


def test_an_output_without_a_gradient_is_refused():
    """The rule, and what to do."""

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.RNN(3, 4)

        def forward(self, x):
            return self.rnn(x)[0].detach()

    with pytest.raises(CarouselError, match="must depend on a recurrent layer"):
        end_to_end(Cut(), torch.randn(5, 2, 3))


def test_the_page_draws_what_the_output_sees():
    """Of an encoder and a decoder: one curve for each, and the sentence above it."""
    torch.manual_seed(0)
    report = carousel.diagnose(Translator(), batch())
    page = diagnosis_page(report)
    assert "What the output sees" in page
    assert report.end_to_end.words in unescape(page)
    assert all(f">{path}<" in page for path in report.end_to_end.log_norms)
