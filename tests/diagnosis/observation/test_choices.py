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
            word = {"data": following, "best": best, "drawn": drawn}[self.way]
            found.append(scores)
        return torch.stack(found)


@pytest.mark.parametrize("way", ["data", "best", "drawn"])
def test_what_is_chosen_is_followed(way):
    """The report says that the loop was not closed; of data it says nothing."""
    words = torch.randint(9, (12, 4), generator=torch.Generator().manual_seed(0))
    assert observe(Decoder(way), words).reads_itself == ([] if way == "data" else ["cell"])
    assert ("reads its own earlier output" in str(carousel.diagnose(Decoder(way), words))) == (way != "data")
