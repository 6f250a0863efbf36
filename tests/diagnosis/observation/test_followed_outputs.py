"""A decoder that reads what it chose from its own output is told from one that reads its data."""

import pytest
import torch
from torch import nn

import carousel
from carousel.diagnosis import observe


class Decoder(nn.Module):
    """Symbols in; at each step the next one is taken from the data, the best, or drawn."""

    def __init__(self, way):
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.embedding, self.cell, self.head = nn.Embedding(9, 6), nn.GRUCell(6, 8), nn.Linear(8, 9)

    def forward(self, words):
        h, word, found = torch.zeros(words.shape[1], 8), words[0], []
        for following in words:
            h = self.cell(self.embedding(word), h)
            scores = self.head(h)
            best = scores.argmax(-1)  # for a log, if nothing else
            drawn = torch.distributions.Categorical(logits=scores).sample()
            largest = scores.max(-1).indices
            written = torch.zeros_like(following)
            written[:] = best
            ways = {"data": following, "best": best, "drawn": drawn, "largest": largest, "written": written}
            word = ways[self.way]
            found.append(scores)
        return torch.stack(found)


@pytest.mark.parametrize("way", ["data", "best", "drawn", "largest", "written"])
def test_what_is_chosen_is_followed(way):
    """The report says that the loop was not closed; of data it says nothing."""
    words = torch.randint(9, (12, 4), generator=torch.Generator().manual_seed(0))
    assert observe(Decoder(way), words).reads_itself == ([] if way == "data" else ["cell"])
    assert ("reads its own earlier output" in str(carousel.diagnose(Decoder(way), words))) == (way != "data")


@pytest.mark.parametrize("detaches", [True, False])
def test_numbers_are_followed_though_they_are_detached(detaches):
    """A forecaster that reads its own forecast."""

    class Forecaster(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.cell, self.head = nn.GRUCell(2, 8), nn.Linear(8, 2)

        def forward(self, x):
            h, y = None, x[0]
            for _ in range(12):
                h = self.cell(y, h)
                y = self.head(h)
                y = y.detach() if detaches else y
            return self.head(h)

    report = carousel.diagnose(Forecaster(), torch.randn(3, 4, 2))
    assert "reads its own earlier output" in str(report)
    assert [found.name for found in report.findings if found.name == "one step only"] == []


def test_a_choice_from_another_module_is_no_loop():
    """A GRU whose best symbols a second one reads."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.one, self.words, self.two = nn.GRU(3, 5), nn.Embedding(5, 4), nn.GRU(4, 6)

        def forward(self, x):
            return self.two(self.words(self.one(x)[0].argmax(-1)))[0]

    assert observe(Two(), torch.randn(9, 2, 3)).reads_itself == []
