"""Vectors into PyTorch and out of it."""

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary
from carousel.embeddings import Vectors
from carousel.models import LanguageModel


def test_a_layer_of_all_words(drawn):
    """One row for each word, trainable unless frozen, and free of the vectors."""
    layer = drawn.to_embedding()
    assert np.array_equal(layer.weight.detach().numpy(), drawn.matrix)
    assert layer.weight.requires_grad
    assert not drawn.to_embedding(freeze=True).weight.requires_grad
    with torch.no_grad():
        layer.weight.zero_()
    assert drawn["w1"].any()


def test_a_layer_for_symbols(drawn):
    """Rows in the order of the symbols: exact spelling before lower case, blanks do not count."""
    layer = drawn.to_embedding(["<unk>", " w5", "W7", "w5"], freeze=True)
    weight = layer.weight.numpy()
    assert np.array_equal(weight[[1, 2, 3]], drawn[["w5", "w7", "w5"]])
    assert not layer.weight.requires_grad
    assert np.isfinite(weight[0]).all()
    assert weight[0].any()


def test_exact_spelling_goes_first():
    """`W` is not taken for `w` where both are known."""
    two = Vectors(["w", "W"], np.eye(2))
    assert two.to_embedding(["W"]).weight.tolist() == [[0, 1]]


def test_a_mapped_file_becomes_a_layer(drawn, tmp_path):
    """What cannot be written to is copied."""
    drawn.save(tmp_path / "v.safetensors")
    layer = Vectors.load(tmp_path / "v.safetensors", mmap=True).to_embedding()
    assert np.array_equal(layer.weight.detach().numpy(), drawn.matrix)


def test_out_of_a_language_model():
    """The rows of the symbols, words without the blank before them, the first of equal ones."""
    text = "the cat sat on the mat\nthe dog sat on the cat\n" * 3
    vocabulary = fit_vocabulary("word", [Document("t", text)])
    model = LanguageModel(vocabulary.size, hidden_size=6, embedding=5)
    vectors = Vectors.from_model(model, vocabulary)
    assert {"the", "cat", "<eod>", "<unk>", "\\n"} <= set(vectors.words)
    for word in ("the", "cat"):
        first = min(k for k, symbol in enumerate(vocabulary.symbols) if symbol.strip() == word)
        assert np.array_equal(vectors[word], model.embedding.weight[first].detach().numpy())
    assert not np.shares_memory(vectors.matrix, model.embedding.weight.detach().numpy())


def test_white_space_is_written_as_signs(tmp_path):
    """Symbols of blanks and line ends stay apart, and every format can hold them."""
    symbols = ["<eod>", " ", "\n", "\n  ", "\u2003", "a b", " a"]
    vectors = Vectors.from_model(LanguageModel(7, hidden_size=4), symbols)
    assert vectors.words == ["<eod>", "␣", "\\n", "\\n␣␣", "\\u2003", "a␣b", "a"]
    vectors.save(tmp_path / "v.vec")
    assert Vectors.load(tmp_path / "v.vec").words == vectors.words


def test_a_model_without_vectors():
    """One-hot input has no projection; a vocabulary of another model is told."""
    with pytest.raises(CarouselError, match=r"LanguageModel has none.*one-hot symbols"):
        Vectors.from_model(LanguageModel(3, hidden_size=4, one_hot=True), ["a", "b", "c"])
    with pytest.raises(CarouselError, match="symbols as the model, 3; it has 2"):
        Vectors.from_model(LanguageModel(3, hidden_size=4), ["a", "b"])


def test_no_symbol_has_a_vector(drawn):
    """Characters meet no words."""
    with pytest.raises(CarouselError, match="none of the 2 symbols is"):
        drawn.to_embedding(["a", "b"])
