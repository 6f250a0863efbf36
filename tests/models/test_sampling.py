"""Drawing text from a model."""

import itertools

import pytest
import torch
from torch import nn

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary
from carousel.models import LanguageModel, sample
from carousel.models.sampling import Sampler

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, 3.0])


class Counter(nn.Module):
    """Predicts 1 more than the sum of all tokens so far, modulo 7: shows which state and token it got."""

    vocabulary_size = 7

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, tokens, state=None):
        sums = tokens.cumsum(0) + (0 if state is None else state)
        return 50.0 * nn.functional.one_hot((sums + 1) % 7, 7), sums[-1]


def draws(number, **options):
    generator = torch.Generator().manual_seed(3)
    options = {"temperature": 1.0, "top_k": None, "top_p": None, **options}
    return [Sampler(**options).choose(LOGITS.clone(), generator) for _ in range(number)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_come_as_often_as_their_probability_says(temperature):
    """Over 4,000 draws the shares are those of softmax(logits / temperature)."""
    counts = torch.bincount(torch.tensor(draws(4000, temperature=temperature)), minlength=5)
    torch.testing.assert_close(counts / 4000, (LOGITS / temperature).softmax(0), atol=0.03, rtol=0)


def test_top_k_and_top_p_cut_the_tail():
    """top_k keeps the k likeliest, top_p the fewest that hold the share; what is kept stays in proportion."""
    assert set(draws(300, top_k=2)) == {0, 4}
    assert set(draws(300, top_k=99)) == {0, 1, 2, 3, 4}
    assert set(draws(300, top_p=0.7)) == {0, 4}  # 0.64 for symbol 4, 0.23 for symbol 0
    assert set(draws(300, top_p=1e-9)) == {4}
    share = draws(4000, top_k=2).count(4) / 4000
    assert abs(share - torch.tensor([3.0, 2.0]).softmax(0)[0].item()) < 0.03


def test_small_temperatures_take_the_likeliest():
    """Temperature 0 is the maximum, and one that would overflow a float is close to it."""
    assert set(draws(20, temperature=0)) == {4}
    assert set(draws(20, temperature=1e-300)) == {4}


def test_symbols_that_are_never_drawn():
    """What is in `never` does not come, at any temperature."""
    assert 4 not in draws(300, never=[4])
    assert set(draws(10, temperature=0, never=[4])) == {0}


def test_prompt_and_draws_walk_through_the_state():
    """Each symbol follows from the whole prompt and from everything drawn before."""
    assert list(sample(Counter(), [1, 2], 5, seed=0)) == [4, 1, 2, 4, 1]


def test_a_seed_repeats_itself_and_torchs_randomness_is_left_alone():
    """Equal seeds draw equal symbols, others do not; torch's own random state does not move."""
    model = LanguageModel(40, hidden_size=8)
    before = torch.get_rng_state()
    a, b, c, d = (list(sample(model, [0], 30, seed=seed)) for seed in (1, 1, 2, None))
    assert a == b
    assert a != c
    assert d != list(sample(model, [0], 30))
    assert torch.equal(torch.get_rng_state(), before)


def test_symbols_come_one_at_a_time():
    """The first symbols of an endless text can be taken without drawing the rest; the mode is put back."""
    model = LanguageModel(40, hidden_size=8, dropout=0.5).train()
    stream = sample(model, [0], 10**12, seed=1)
    first = list(itertools.islice(stream, 4))
    assert torch.is_inference_mode_enabled() is False
    stream.close()
    assert model.training
    assert first == list(sample(model, [0], 4, seed=1))


def test_text_ends_before_the_end_of_the_document():
    """A drawn boundary ends the text and is no part of it."""
    assert list(sample(Counter(), [1], 50, seed=0, stop=1)) == [2, 4]


def test_text_follows_a_prompt():
    """Generated text is made of the vocabulary's characters and repeats itself with its seed."""
    vocabulary = fit_vocabulary("char", [Document("a", "abcdefgh")])
    model = LanguageModel(vocabulary.size, hidden_size=8)
    model.vocabulary = vocabulary
    text = model.generate("abc", 40, seed=1)
    assert set(text) <= set("abcdefgh")
    assert text == model.generate("abc", 40, seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "abz"}, "it has no 'z'"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"length": -1}, "length"),
    ],
)
def test_bad_wishes_are_refused_at_the_call(options, message):
    """The error comes before the first symbol is asked for."""
    vocabulary = fit_vocabulary("char", [Document("a", "abcdefgh")])
    model = LanguageModel(vocabulary.size, hidden_size=8)
    model.vocabulary = vocabulary
    with pytest.raises(CarouselError, match=message):
        model.generate(**options)
    with pytest.raises(CarouselError, match=message):
        model.stream(**options)


def test_a_vocabulary_of_another_model_is_refused():
    """Model and vocabulary must have equally many symbols."""
    vocabulary = fit_vocabulary("char", [Document("a", "abcdefgh")])
    with pytest.raises(CarouselError, match="a model of 4 symbols and a vocabulary of 10"):
        LanguageModel(4, hidden_size=8).vocabulary = vocabulary
