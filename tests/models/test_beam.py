"""Beam search."""

import itertools
import math

import pytest
import torch
from torch import nn

from carousel import CarouselError
from carousel.models import LanguageModel, beam_search
from carousel.models.beam import reorder


class Chain(nn.Module):
    """A Markov chain as a model: what comes next follows from the last symbol alone; the state counts steps."""

    vocabulary_size = 4

    def __init__(self, rows):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(rows, dtype=torch.float64).log())

    def forward(self, tokens, state=None):
        steps = torch.zeros(1, tokens.shape[1], 1) if state is None else state
        return self.weight[tokens], steps + len(tokens)


# 0 ends; from 1 the likelier first step (2, 0.6) leads to worse ones than the other (3, 0.4)
ROWS = [[1, 0, 0, 0], [0, 0, 0.6, 0.4], [0.4, 0.2, 0.2, 0.2], [0.9, 0.05, 0.05, 0.0]]


def total(tokens, rows=ROWS):
    return sum(math.log(rows[a][b]) for a, b in itertools.pairwise([1, *tokens]) if rows[a][b] > 0)


def test_one_beam_is_greedy_and_two_see_further():
    """With one beam the likeliest first step is taken; with two the better whole is found."""
    [greedy] = beam_search(Chain(ROWS), [1], 5, beams=1, stop=0)
    assert greedy.tokens == (2,)
    best, second = beam_search(Chain(ROWS), [1], 5, beams=2, stop=0)
    assert best.tokens == (3,)
    assert best.ended
    assert best.log_probability == pytest.approx(math.log(0.4 * 0.9))
    assert second.log_probability == pytest.approx(math.log(0.6 * 0.4))


def test_wide_beams_find_the_best_of_all():
    """Beams as wide as all continuations equal the search through every one of them."""
    torch.manual_seed(3)
    model = LanguageModel(4, cell="gru", hidden_size=5).double()
    nn.init.normal_(model.head.weight, std=3)
    model.eval()
    scores = {}
    for tokens in itertools.product(range(4), repeat=3):
        logits, _ = model(torch.tensor([1, *tokens])[:, None])
        logs = logits[:, 0].log_softmax(-1)
        ends = tokens.index(0) + 1 if 0 in tokens else 3
        scores[tokens[:ends]] = sum(logs[k, tokens[k]].item() for k in range(ends))
    best = max(scores, key=scores.__getitem__)
    found = beam_search(model, [1], 3, beams=64, stop=0)[0]
    assert (*found.tokens, *([0] if found.ended else [])) == best
    assert found.log_probability == pytest.approx(scores[best], rel=1e-5)


def test_a_penalty_of_length_favours_the_long():
    """The rank is the log probability divided by ((5 + n) / 6)^a (Wu et al. 2016)."""
    rows = [[1, 0, 0, 0], [0.3, 0, 0.7, 0], [0, 0, 0, 1], [0.4, 0.6, 0, 0]]
    short = beam_search(Chain(rows), [1], 9, beams=4, stop=0)[0]
    assert short.tokens == ()
    long = beam_search(Chain(rows), [1], 9, beams=4, length_penalty=2.0, stop=0)[0]
    assert len(long.tokens) > 0
    n = len(long.tokens) + long.ended
    assert long.score == pytest.approx(long.log_probability / ((5 + n) / 6) ** 2)
    assert long.log_probability == pytest.approx(total([*long.tokens, *([0] if long.ended else [])], rows))


def test_symbols_that_are_never_taken():
    """What is in `never` is in no hypothesis."""
    found = beam_search(Chain(ROWS), [1], 3, beams=4, never=[2], stop=0)
    assert found
    assert all(2 not in each.tokens for each in found)


def test_a_state_is_reordered_along_its_batch():
    """Lanes are taken by number, in every part."""
    state = torch.arange(6.0).reshape(1, 3, 2)
    assert torch.equal(reorder(state, [2, 0, 0]), state[:, [2, 0, 0]])
    assert all(torch.equal(part, state[:, [1]]) for part in reorder((state, state), [1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 0}, "beams must be at least 1; got 0"),
        ({"length_penalty": -1.0}, "length_penalty must be"),
        ({"length": -1}, "length must be at least 0"),
        ({"prompt": []}, "at least one symbol"),
    ],
)
def test_bad_wishes_are_refused(options, message):
    """Each by name."""
    with pytest.raises(CarouselError, match=message):
        beam_search(Chain(ROWS), **{"prompt": [1], "length": 3, **options})
