"""One-hot vectors, the product that is a look-up, and text that is counted right."""

import math

import pytest
import torch

from carousel.lab.words import measure as words
from carousel.lab.words.page import MARGIN


def test_one_hot_vectors_are_all_as_far_apart():
    """Every pair lies √2 apart; projected ones do not."""
    vectors = words.Vectors([f"w{k}" for k in range(20)], torch.randn(20, 5).numpy())
    apart = words.distances(vectors, sample=20)
    one_hot, projected = apart["one-hot"], apart["skip-gram"]
    assert (one_hot.nearest, one_hot.farthest) == pytest.approx((math.sqrt(2), math.sqrt(2)))
    assert projected.farthest > 1.5 * projected.nearest


def test_related_words_are_told_from_others():
    """Vectors that are one axis for each group have a cosine of 1 within it and 0 across; random ones have neither."""
    axes = torch.eye(len(words.RELATED))
    table = torch.cat([axes[k].expand(len(group), -1) for k, group in enumerate(words.RELATED)])
    found = words.mean_cosines(words.Vectors(list(words.MAPPED), table.numpy()))
    assert (found.related, found.other) == pytest.approx((1.0, 0.0))
    noise = torch.randn(len(words.MAPPED), 200, generator=torch.Generator().manual_seed(0))
    found = words.mean_cosines(words.Vectors(list(words.MAPPED), noise.numpy()))
    assert abs(found.related) < 0.1
    assert abs(found.other) < 0.1


def test_frequencies_without_context():
    """Of two words as frequent as each other, a perplexity of 2 but for the rest of the vocabulary."""
    ids = torch.tensor([0, 1]).repeat(500_000)
    text = words.Text(["<rare>", "a"], ids, ids[:1_000])
    assert words.frequency_perplexity(text) == pytest.approx(2.0, rel=1e-2)


def test_the_product_is_the_look_up():
    """PW times a one-hot vector is PW's column, exactly."""
    assert words.product_error() == 0.0


def test_the_text_is_the_standard_library():
    """Words are lower case, rare ones are 0, and a tenth is held out."""
    text, lines = words.load(20_000)
    whole = len(text.train) + len(text.held_out)
    assert whole == sum(map(len, lines))
    assert len(text.held_out) == whole // 10
    assert int(text.train.max()) < len(text.words) <= words.VOCABULARY
    assert text.words[int(text.train[0])] in (lines[0][0], "<rare>")


def test_a_model_learns_the_text():
    """A few steps bring the perplexity far below that of a guess."""
    torch.manual_seed(0)
    text, _ = words.load(20_000)
    model = words.LanguageModel(words.VOCABULARY, cell="gru", hidden_size=16, embedding=8)
    learned = words.learn(model, text, 60)
    assert learned.perplexity < 0.5 * words.VOCABULARY
    assert learned.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def found(measured):
    return measured("words")


def test_published_distances_and_product(found):
    """One-hot words lie √2 apart, projected ones between 0 and 2 and not all alike; the product is the look-up."""
    one_hot, projected = found.distances["one-hot"], found.distances["skip-gram"]
    assert (one_hot.nearest, one_hot.farthest) == pytest.approx((math.sqrt(2), math.sqrt(2)))
    assert 0 < projected.nearest < 0.8 * projected.farthest < projected.farthest <= 2
    assert found.product_error == 0.0


def test_published_parameters_are_those_of_theory(found):
    """V, E, H: the projection V E, the GRU 3 H (E + H + 2), the output V (H + 1); one-hot input V in place of E."""
    v, e, h = words.VOCABULARY, words.WIDTH, words.HIDDEN
    assert found.models["GRU, projection"].parameters == v * e + 3 * h * (e + h + 2) + v * (h + 1)
    assert found.models["GRU, one-hot"].parameters == 3 * h * (v + h + 2) + v * (h + 1)
    for n in words.CONTEXTS:
        assert found.models[f"TDNN, N = {n}"].parameters == v * e + h * (n * e + 1) + v * (h + 1)


def test_published_perplexities_lie_between_one_and_a_guess(found):
    """Frequencies alone beat a guess among all words; after five steps a model is still worse than they are."""
    frequencies = found.frequency_perplexity
    assert 1 < frequencies < 0.5 * words.VOCABULARY
    assert frequencies < found.models["GRU, projection"].perplexity < 2 * words.VOCABULARY


def test_related_words_are_nearer_by_skip_gram(found):
    """By the margin that the verdict asks for; a projection of five steps has none."""
    learned, untrained = found.cosines["skip-gram"], found.cosines["TDNN, N = 4"]
    assert learned.related > learned.other + MARGIN
    assert untrained.related < untrained.other + MARGIN
