"""A language model that starts from word vectors."""

import doctest

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.embeddings import Vectors
from carousel.models import LanguageModel, TDNNLanguageModel, load_projection, projection

SYMBOLS = ["<eod>", "<unk>", " the", " Cat", "zzz"]


@pytest.fixture
def vectors() -> Vectors:
    """Two known words."""
    return Vectors(["the", "cat"], np.arange(1.0, 13).reshape(2, 6))


def test_examples():
    """The examples in the docstrings run."""
    assert doctest.testmod(projection).failed == 0


@pytest.mark.parametrize("tie", [False, True])
def test_known_symbols_start_from_vectors(vectors, tie):
    """Known rows are the vectors, the others keep every bit; tied output weights stay tied."""
    model = LanguageModel(5, hidden_size=6, embedding=6, tie=tie)
    before = model.embedding.weight.detach().clone()
    loaded = load_projection(model, vectors, SYMBOLS)
    assert (loaded.found, loaded.missing) == (2, ("<eod>", "<unk>", "zzz"))
    after = model.embedding.weight.detach()
    assert after[[2, 3]].tolist() == vectors.matrix.tolist()
    assert torch.equal(after[[0, 1, 4]], before[[0, 1, 4]])
    assert (model.head.weight is model.embedding.weight) == tie


def test_out_is_what_went_in(vectors):
    """The projection that a model starts from can be taken out again."""
    model = LanguageModel(5, hidden_size=6, embedding=6)
    load_projection(model, vectors, SYMBOLS)
    out = Vectors.from_model(model, SYMBOLS)
    assert np.array_equal(out[["the", "Cat"]], vectors.matrix)


def test_a_tdnn_too(vectors):
    """The projection of a time-delay network starts from vectors, is read by it, and comes out again."""
    model = TDNNLanguageModel(5, hidden_size=7, embedding=6, context=3).eval()
    tokens = torch.tensor([[2], [3], [2]])
    before = model(tokens)[0].detach()
    assert load_projection(model, vectors, SYMBOLS).found == 2
    assert not torch.equal(model(tokens)[0], before)
    out = Vectors.from_model(model, SYMBOLS)
    assert np.array_equal(out[["the", "Cat"]], vectors.matrix)


def test_rescaled(vectors):
    """Rescaled vectors keep their directions and take the size of the model's own values."""
    model = LanguageModel(5, hidden_size=6, embedding=6)
    size = model.embedding.weight.detach().square().mean().sqrt()
    load_projection(model, vectors, SYMBOLS, rescale=True)
    rows = model.embedding.weight.detach()[[2, 3]]
    torch.testing.assert_close(rows.square().mean().sqrt(), size)
    ratio = rows / torch.from_numpy(vectors.matrix)
    torch.testing.assert_close(ratio, ratio[0, 0].expand(2, 6))


def test_frozen(vectors):
    """A frozen projection gets no gradient, all else does."""
    model = LanguageModel(5, hidden_size=6, embedding=6)
    load_projection(model, vectors, SYMBOLS, freeze=True)
    model(torch.zeros(2, 1, dtype=torch.int64))[0].sum().backward()
    assert model.embedding.weight.grad is None
    assert model.head.weight.grad is not None


def test_sizes_that_do_not_fit(vectors):
    """Another dimension, another vocabulary, no vectors at all."""
    with pytest.raises(CarouselError, match=r"here \(5, 6\); got \(5, 7\).*with embedding=6"):
        load_projection(LanguageModel(5, hidden_size=8, embedding=7), vectors, SYMBOLS)
    with pytest.raises(CarouselError, match=r"here \(5, 6\); got \(4, 6\)"):
        load_projection(LanguageModel(4, hidden_size=8, embedding=6), vectors, SYMBOLS)
    with pytest.raises(CarouselError, match=r"has none.*one-hot symbols"):
        load_projection(LanguageModel(5, hidden_size=8, one_hot=True), vectors, SYMBOLS)
