"""Text from a model: streamed, several at once, the likeliest."""

import doctest

import pytest
import torch

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary
from carousel.models import LanguageModel, TDNNLanguageModel, generation
from carousel.models.generation import until

VOCABULARY = fit_vocabulary("char", [Document("a", "abcdefgh")])


@pytest.fixture(params=[LanguageModel, TDNNLanguageModel])
def model(request):
    return with_vocabulary(request.param(VOCABULARY.size, hidden_size=8), VOCABULARY)


def with_vocabulary(model, vocabulary):
    model.vocabulary = vocabulary
    return model


def test_examples():
    """The example gives what it shows."""
    result = doctest.testmod(generation)
    assert result.attempted > 0
    assert result.failed == 0


def test_many_texts_are_those_drawn_one_by_one(model):
    """Text k of seed s is the text of seed s + k, whatever is drawn beside it and wherever others end."""
    many = model.generate("ab", 60, samples=5, seed=7)
    alone = [model.generate("ab", 60, seed=7 + k) for k in range(5)]
    assert many == alone
    assert many == ["".join(model.stream("ab", 60, seed=7 + k)) for k in range(5)]
    assert len({len(text) for text in many}) > 1


def test_a_stop_text_ends_each_text_before_it(model):
    """The text is that without the stop, cut where the first stop would begin."""
    free = model.generate("", 80, samples=4, seed=1)
    stops = ["bc", "d"]
    expected = [text[: min([p for s in stops if (p := text.find(s)) >= 0] or [len(text)])] for text in free]
    assert expected != free
    assert model.generate("", 80, samples=4, seed=1, stop=stops) == expected
    streamed = ["".join(model.stream("", 80, seed=1 + k, stop=stops)) for k in range(4)]
    assert streamed == expected


def test_a_stop_text_may_lie_across_pieces():
    """What could begin a stop is held back, and given when it turns out to be none."""
    assert list(until(["a\n", "\nb"], ["\n\n"])) == ["a"]
    assert list(until(["a\n", "b\n"], ["\n\n"])) == ["a", "\nb", "\n"]
    assert list(until(["abab", "ac"], ["abac"])) == ["ab"]


def test_the_likeliest_text_is_likelier_than_those_drawn(model):
    """Its nats are those that scoring gives it, end of document included."""
    best, nats = model.beam_search("ab", 12, beams=8)[0]
    for drawn in model.generate("ab", 12, samples=3, temperature=0, seed=0):
        assert _nats(model, "ab", drawn, len(drawn) < 12) >= nats - 1e-4
    assert _nats(model, "ab", best, len(best) < 12) == pytest.approx(nats, rel=1e-4)


def _nats(model, prompt, text, ended):
    ids = [0, *VOCABULARY.encode(prompt + text).tolist(), *([0] if ended else [])]
    tokens = torch.tensor(ids)
    logits, _ = model.eval()(tokens[:-1, None])
    losses = torch.nn.functional.cross_entropy(logits[:, 0], tokens[1:], reduction="none")
    return losses[len(prompt) :].sum().item()


def test_sentences_go_on_after_their_ends():
    """At the level of tokens the end of a sentence is a line end in the text, not the end of the text."""
    vocabulary = fit_vocabulary("token", [Document("a", "a b <unk>\nb a\n")])
    model = with_vocabulary(LanguageModel(vocabulary.size, hidden_size=4), vocabulary)
    text = model.generate("a b", 60, seed=1)
    assert text.count("\n") > 3
    assert "<unk>" not in text


@pytest.mark.parametrize("stop", ["ab", [""], [3]])
def test_stop_texts_that_are_none_are_refused(model, stop):
    """A list of texts that are not empty."""
    with pytest.raises(CarouselError, match="stop must be a list of texts"):
        model.generate(stop=stop)
    with pytest.raises(CarouselError, match="stop must be a list of texts"):
        model.stream(stop=stop)


def test_a_number_of_texts_is_at_least_one(model):
    """Zero samples are a mistake."""
    with pytest.raises(CarouselError, match="at least one sample to draw; got 0"):
        model.generate(samples=0)


def test_words_have_a_space_between_them_and_none_where_a_line_begins():
    """Of a text of tokens, however it is asked for: drawn, several at once, or searched."""
    vocabulary = fit_vocabulary("token", [Document("a", "a b\nb a\n")])
    model = with_vocabulary(LanguageModel(vocabulary.size, hidden_size=4), vocabulary)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([-40.0, 0.0, 40.0]))  # <eos>, a, b
    for prompt, expected in (("", "b b"), ("a", " b b"), ("a ", "b b"), ("a\n", "b b")):
        assert "".join(model.stream(prompt, 2)) == expected
        assert model.generate(prompt, 2, samples=2) == [expected] * 2
        assert model.beam_search(prompt, 2, beams=1)[0][0] == expected


@pytest.mark.parametrize("call", ["generate", "stream", "beam_search"])
def test_a_model_without_a_vocabulary_says_so(call):
    """And what to do."""
    with pytest.raises(CarouselError, match=r"no vocabulary.*Set it: model\.vocabulary"):
        getattr(LanguageModel(4, hidden_size=2), call)("ab")
