"""`carousel.load`: whatever was trained comes back as what it is."""

import doctest

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import carousel
from carousel import CarouselError, Embedding, LanguageModel, SequenceModel, TDNNLanguageModel, Vectors
from carousel.data import Document, fit_vocabulary
from carousel.training import evaluations, loading

VOCABULARY = fit_vocabulary("char", [Document("a", "abc")])


def test_examples():
    """They give what they show."""
    for module in (loading, evaluations):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


@pytest.mark.parametrize("name", ["m.safetensors", "m"])
@pytest.mark.parametrize("kind", [LanguageModel, TDNNLanguageModel])
def test_a_language_model_carries_its_vocabulary(tmp_path, kind, name):
    """From a file of any name, with what was trained: text follows a prompt at once."""
    model = kind(VOCABULARY.size, hidden_size=4)
    model.vocabulary = VOCABULARY
    model.save(tmp_path / name)
    loaded = carousel.load(tmp_path / name)
    assert type(loaded) is kind
    assert not loaded.training
    assert loaded.vocabulary == VOCABULARY
    assert loaded.generate("ab", 30, seed=1) == model.generate("ab", 30, seed=1)
    carousel.load(str(tmp_path / name)).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()


def test_a_sequence_model_comes_from_its_file_and_from_its_run(tmp_path):
    """Both predict as the model that was trained."""
    data, labels = [np.full((5, 1), float(k % 2)) for k in range(20)], [k % 2 for k in range(20)]
    model = SequenceModel("gru", hidden_size=4)
    run = carousel.fit(model, data, labels, steps=10, lr=0.05, monitor=0, out=tmp_path / "run")
    model.save(tmp_path / "m")
    for path in (run.path, tmp_path / "m"):
        loaded = carousel.load(path)
        assert isinstance(loaded, SequenceModel)
        assert loaded.predict(data) == model.predict(data)
        assert carousel.evaluate(loaded, data, labels) == carousel.evaluate(model, data, labels)


@pytest.mark.parametrize("name", ["v.safetensors", "v.vec", "v.bin", "v.npz", "v.npy"])
def test_word_vectors_of_every_format(tmp_path, name):
    """They are Vectors, which answer and are evaluated."""
    vectors = Vectors(["cat", "dog", "car"], np.array([[5, 1], [5, 1.5], [0, 3]]))
    vectors.save(tmp_path / name)
    loaded = carousel.load(tmp_path / name)
    assert isinstance(loaded, Vectors)
    assert loaded.words == vectors.words
    (tmp_path / "pairs.tsv").write_text("cat\tdog\t9\ncat\tcar\t2\ndog\tcar\t3\n")
    assert carousel.evaluate(loaded, tmp_path / "pairs.tsv").spearman == 1


def test_vectors_with_their_training_state_are_an_embedding(tmp_path):
    """So that they can be trained further."""
    embedding = carousel.embed(
        [["a", "b", "c"]] * 50, dimension=4, epochs=1, min_count=1, threads=1, held_out=0
    )
    embedding.save(tmp_path / "e.safetensors")
    loaded = carousel.load(tmp_path / "e.safetensors")
    assert isinstance(loaded, Embedding)
    assert np.array_equal(loaded.vectors.matrix, embedding.vectors.matrix)


def test_what_is_none_of_them_is_told(tmp_path):
    """A path without a file, a checkpoint, weights of another program, half a file."""
    save_file({"w": torch.ones(2)}, tmp_path / "foreign.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "foreign.safetensors").read_bytes()[:40])
    for name, words in {
        "no": "there is no run",
        "foreign.safetensors": "foreign.safetensors",
        "half.safetensors": "is not a whole safetensors file",
    }.items():
        with pytest.raises(CarouselError, match=words):
            carousel.load(tmp_path / name)
